// A certified OpenID Connect provider with a few people, for the e2e tests.
// Its settings are one line of JSON on standard input; it answers with one line
// on standard output once it listens, and runs until it is told to end.

import { generateKeyPairSync } from 'node:crypto';
import { createServer, request } from 'node:https';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const line = await new Promise((resolve) => createInterface({ input: process.stdin }).once('line', resolve));
const site = JSON.parse(line);

const people = {
  ada: { name: 'Ada Martin', email: 'ada@hospital.example', email_verified: true, organization: 'Cardiologie' },
  eve: { name: 'Eve Durand', email: 'eve@elsewhere.example', email_verified: true, organization: 'Mairie de Toulouse' },
};

// How somebody may sign in, by the button they press.
const ways = {
  password: { acr: 'eidas1', amr: ['pwd'] },
  card: { acr: 'eidas2', amr: ['sc', 'mfa'] },
};

// What the provider remembers, beside it, so that it can be made anew with other
// keys while people are signed in.
const kept = new Map();

class Kept {
  constructor(kind) { this.kind = kind; }
  all() { return [...kept].filter(([key]) => key.startsWith(`${this.kind} `)).map(([, payload]) => payload); }
  async upsert(id, payload) { kept.set(`${this.kind} ${id}`, payload); }
  async find(id) { return kept.get(`${this.kind} ${id}`); }
  async findByUid(uid) { return this.all().find((payload) => payload.uid === uid); }
  async consume(id) { kept.get(`${this.kind} ${id}`).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { kept.delete(`${this.kind} ${id}`); }
  async revokeByGrantId(grant) {
    for (const [key, payload] of kept) if (payload.grantId === grant) kept.delete(key);
  }
}

const server = createServer({ cert: site.cert, key: site.key }, (req, res) => answer(req, res));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `https://localhost:${server.address().port}`;

const keys = [];
let oidc = open();

function open() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The newest signs; the others stay for what they signed.
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: `op-${keys.length + 1}` });
  const signed = { id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' };
  const door = {
    post_logout_redirect_uris: [`${site.door}/`],
    backchannel_logout_uri: `${site.door}/oidc/backchannel`,
    backchannel_logout_session_required: true,
    require_pkce: true,
    ...signed,
  };
  const provider = new Provider(issuer, {
    adapter: Kept, jwks: { keys },
    // RP-Initiated Logout §2 has every provider take a POST; this one only if told.
    enableHttpPostMethods: true,
    cookies: { keys: ['a test of our own'], long: { sameSite: 'none' }, short: { sameSite: 'none' } },
    clients: [
      {
        ...door, client_id: 'door-by-key', redirect_uris: [`${site.door}/oidc/callback/key`],
        token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: { keys: [site.client] },
      },
      {
        ...door, client_id: 'door-strict', redirect_uris: [`${site.door}/oidc/callback/strict`],
        token_endpoint_auth_method: 'client_secret_basic', client_secret: site.secret,
      },
    ],
    acrValues: ['eidas1', 'eidas2'],
    claims: { openid: ['sub'], profile: ['name', 'organization'], email: ['email', 'email_verified'], acr: null, amr: null, auth_time: null },
    scopes: ['openid', 'profile', 'email'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], userinfoSigningAlgValues: ['ES256'], clientAuthSigningAlgValues: ['ES256'] },
    features: {
      devInteractions: { enabled: false }, backchannelLogout: { enabled: true },
      jwtUserinfo: { enabled: true }, claimsParameter: { enabled: true },
    },
    pkce: { required: () => true },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email');
      grant.addOIDCClaims(['acr', 'amr', 'auth_time']);
      await grant.save();
      return grant;
    },
    fetch: toDoor,
  });
  for (const event of ['backchannel.error', 'server_error', 'grant.error', 'userinfo.error', 'authorization.error']) {
    provider.on(event, (_, err) => console.error(event, err.message, err.error_description ?? '', err.error_detail ?? ''));
  }
  return provider;
}

// toDoor is the provider's way to the door's names, which stand in no DNS.
function toDoor(url, { method, headers, body }) {
  return new Promise((resolve, reject) => {
    const req = request(url, {
      method, headers: Object.fromEntries(new Headers(headers)), ca: site.ca, lookup: (_, o, done) => (o.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)),
    }, (res) => {
      res.resume();
      res.on('end', () => resolve(new Response(null, { status: res.statusCode })));
    });
    req.on('error', reject);
    req.end(body === undefined ? undefined : String(body));
  });
}

async function answer(req, res) {
  try {
    if (req.url === '/-/rotate' && req.method === 'POST') {
      oidc = open();
      res.end();
    } else if (req.url.startsWith('/interaction/')) {
      await interaction(req, res);
    } else {
      if (req.url === '/.well-known/openid-configuration') elsewhere(res);
      oidc.callback()(req, res);
    }
  } catch (err) {
    console.error('interaction', err);
    res.writeHead(500).end();
  }
}

// elsewhere has discovery say that people sign in on another host than the
// issuer's, as at Pro Santé Connect.
function elsewhere(res) {
  const end = res.end.bind(res);
  res.end = (body) => {
    const at = `https://login.test:${server.address().port}`;
    const told = JSON.stringify({ ...JSON.parse(body), authorization_endpoint: `${at}/auth`, end_session_endpoint: `${at}/session/end` });
    res.setHeader('Content-Length', Buffer.byteLength(told));
    return end(told);
  };
}

// interaction is the sign-in page.
async function interaction(req, res) {
  if (req.method !== 'POST') {
    const { prompt } = await oidc.interactionDetails(req, res);
    const buttons = Object.keys(people).flatMap((who) => Object.keys(ways).map((way) => `<button name="as" value="${who} ${way}">${who}, ${way}</button>`));
    res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    res.end(`<!doctype html><title>${prompt.name}</title><h1>Who are you?</h1><form method="post" action="${req.url}">${buttons.join('')}</form>`);
    return;
  }
  let body = '';
  for await (const part of req) body += part;
  const [who, way] = new URLSearchParams(body).get('as').split(' ');
  await oidc.interactionFinished(req, res, { login: { accountId: who, ...ways[way] } }, { mergeWithLastSubmission: false });
}

console.log(JSON.stringify({ issuer }));
