package e2e_test

// spy runs in every page before its own scripts. It remembers every peer
// connection and what each was told of relays, what the content policy
// refused, and when frames of others were last decoded.
const spy = `
window.pcs = [];
window.pcConfigs = [];
window.refused = [];
addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective + " " + e.blockedURI));
// only leaves of a relay's addresses those that a test says work.
const only = (c) => !window.working ? c : { ...c, iceServers: (c?.iceServers ?? []).map((s) => ({ ...s, urls: [s.urls].flat().filter((u) => u.startsWith(working)) })) };
if (window.RTCPeerConnection) window.RTCPeerConnection = class extends RTCPeerConnection {
	constructor(c, ...a) { super(only(c), ...a); window.pcs.push(this); window.pcConfigs.push(c); }
	setConfiguration(c) { window.pcConfigs.push(c); super.setConfiguration(only(c)); }
};
window.spy = {
	// inbound is every video that arrives, by its track.
	async inbound() {
		const all = {};
		for (const pc of pcs) if (pc.connectionState !== "closed") for (const s of (await pc.getStats()).values())
			if (s.type === "inbound-rtp" && s.kind === "video") all[s.trackIdentifier] = s;
		return all;
	},
	// video is the element that shows a participant.
	video: (who) => document.querySelector('[data-participant="' + who + '"] video'),
	track: (who) => spy.video(who)?.srcObject?.getVideoTracks()[0]?.id,
	// decoded is how many frames of a participant, or of all, were decoded.
	async decoded(who) {
		const all = await spy.inbound();
		return Object.entries(all).filter(([id]) => !who || id === spy.track(who)).reduce((n, [, s]) => n + (s.framesDecoded || 0), 0);
	},
	// shown waits for two further frames of a participant on the screen, and
	// answers how wide they are, or 0.
	shown: (who) => new Promise((done) => {
		const v = spy.video(who);
		if (!v?.checkVisibility()) return done(0);
		setTimeout(() => done(0), 5000);
		v.requestVideoFrameCallback((_, a) => v.requestVideoFrameCallback((_, b) => done(b.presentedFrames > a.presentedFrames ? b.width : 0)));
	}),
	// clock notes from now on when a track's count of frames last rose, and
	// the longest time it did not.
	clock() {
		const seen = window.seen = {};
		const look = async () => {
			const all = await spy.inbound();
			const now = Date.now();
			for (const [id, s] of Object.entries(all)) {
				const was = seen[id] ??= { frames: s.framesDecoded, at: now, worst: 0, lost: s.packetsLost, first: s.packetsLost, packet: 0 };
				if (s.framesDecoded > was.frames) {
					was.worst = Math.max(was.worst, now - was.at);
					was.frames = s.framesDecoded;
					was.at = now;
				}
				was.lost = s.packetsLost;
				was.packet = s.lastPacketReceivedTimestamp;
			}
			setTimeout(look, 5);
		};
		look();
	},
	// kinds of the local candidates in use.
	async kinds() {
		const kinds = new Set();
		for (const pc of pcs) {
			const all = await pc.getStats();
			for (const s of all.values()) if (s.type === "candidate-pair" && s.nominated && s.state === "succeeded") kinds.add(all.get(s.localCandidateId).candidateType);
		}
		return [...kinds].join(",");
	},
	// transports by which the relays in use are reached.
	async transports() {
		const all = [];
		for (const pc of pcs) {
			const stats = await pc.getStats();
			for (const s of stats.values()) if (s.type === "candidate-pair" && s.nominated && s.state === "succeeded") all.push(stats.get(s.localCandidateId).relayProtocol);
		}
		return all;
	},
	// relays asks a TURN server for relays and answers what it gave.
	relays: (server) => new Promise((done) => {
		const pc = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" });
		const got = { relays: 0, refusals: [] };
		const end = () => { pc.close(); done(got); };
		pc.onicecandidate = (e) => { if (e.candidate?.type === "relay") got.relays++; };
		pc.onicecandidateerror = (e) => got.refusals.push(e.errorCode);
		pc.onicegatheringstatechange = () => { if (pc.iceGatheringState === "complete") end(); };
		setTimeout(end, 12000);
		pc.createDataChannel("x");
		pc.setLocalDescription();
	}),
	// hairpin has two relays of a TURN server meet, and answers how many there
	// were and whether they did.
	async hairpin(server) {
		const pair = [0, 1].map(() => new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" }));
		let count = 0;
		const met = new Promise((done) => {
			pair.forEach((pc, i) => {
				pc.onicecandidate = (e) => { if (e.candidate?.candidate) { count++; pair[1 - i].addIceCandidate(e.candidate); } };
			});
			pair[1].ondatachannel = () => done(true);
			setTimeout(() => done(false), 8000);
		});
		pair[0].createDataChannel("x");
		await pair[0].setLocalDescription();
		await pair[1].setRemoteDescription(pair[0].localDescription);
		await pair[1].setLocalDescription();
		await pair[0].setRemoteDescription(pair[1].localDescription);
		const meet = await met;
		pair.forEach((pc) => pc.close());
		return { relays: count, met: meet };
	},
};
`

// relays is what a TURN server gave.
type relays struct {
	Relays   int   `json:"relays"`
	Refusals []int `json:"refusals"`
}

// iceServer is a relay as a page was told of it.
type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// myRelay is the page's own way through TURN, as its peer connections know it.
const myRelay = `(() => { const s = pcConfigs.flatMap((c) => c?.iceServers ?? []).filter((s) => s.username).at(-1); return { urls: [s.urls].flat(), username: s.username, credential: s.credential }; })()`
