/**
 * For a test that takes the network away: starts the program on the folder of an earlier run, asks it for `REPOSITORY:1` and its
 * manifest by digest, and prints how that went as JSON. A name server on loopback, which never answers, counts what it is asked.
 *
 *   node pull-without-network.ts FOLDER REGISTRY/REPOSITORY
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { get } from './http-client.ts';
import { cacheOf } from './mirrored-registry.ts';
import { startEntrepot } from './processes.ts';

const [folder = '', image = ''] = process.argv.slice(2);
// A new network namespace has its loopback device down.
execFileSync('ip', ['link', 'set', 'lo', 'up']);
const args = ['--registries', 'registries.conf', '--config', 'entrepot.toml', '--data', 'data'].map((arg) =>
  arg.startsWith('--') ? arg : join(folder, arg),
);

let asked = 0;
const nameServer = createSocket('udp4', () => {
  asked += 1;
}).bind(53, '127.0.0.1');
await once(nameServer, 'listening');

const program = await startEntrepot({ args });
const ping = await get(`${program.url}/v2/`);
const askedAtStart = asked;
const byTag = await get(`${program.url}/v2/${image}/manifests/1`);
const digest = String(byTag.headers['docker-content-digest']);
const byDigest = await get(`${program.url}/v2/${image}/manifests/${digest}`);
await program.stop();
nameServer.close();
console.log(JSON.stringify({ askedAtStart, answers: [ping.status, cacheOf(byTag), cacheOf(byDigest)] }));
