// Reads an OpenAPI document on standard input and says what the specification's
// own schema has against it, a fault a line.

import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';

const validator = new Validator();
const { valid, errors } = await validator.validate(JSON.parse(readFileSync(0, 'utf8')));
for (const e of [errors ?? []].flat()) {
	console.log(typeof e === 'string' ? e : `${e.instancePath || '/'} ${e.message}`);
}
console.log(`OpenAPI ${validator.version}`);
process.exitCode = valid ? 0 : 1;
