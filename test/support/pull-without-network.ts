/**
 * For a test that takes the network away: starts the program on the folder of an earlier run, asks it for `REPOSITORY:1` and its
 * manifest by digest, and prints how that went as JSON.
 *
 *   node pull-without-network.ts FOLDER REGISTRY/REPOSITORY
 */
import { execFileSync } from 'node:child_process';
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

const starts: number[] = [];
const answers: unknown[] = [];
// The quickest of three: the machine may be busy with other tests.
for (let time = 0; time < 3; time += 1) {
  const began = performance.now();
  const program = await startEntrepot({ args });
  const ping = await get(`${program.url}/v2/`);
  const byTag = await get(`${program.url}/v2/${image}/manifests/1`);
  starts.push(performance.now() - began);
  const digest = String(byTag.headers['docker-content-digest']);
  const byDigest = await get(`${program.url}/v2/${image}/manifests/${digest}`);
  answers.push([ping.status, cacheOf(byTag), cacheOf(byDigest)]);
  await program.stop();
}
console.log(JSON.stringify({ startMs: Math.min(...starts), answers }));
