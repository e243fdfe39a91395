/**
 * The program in a process of its own, for a test that takes the network away: starts on the folder of an earlier run,
 * asks itself for `REPOSITORY:1` and its manifest by digest, and prints how that went as JSON.
 *
 *   node pull-without-network.ts FOLDER REGISTRY/REPOSITORY
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startApp } from './app.ts';
import { createManualClock } from './clock.ts';
import { get } from './http-client.ts';
import { cacheOf } from './mirrored-registry.ts';

const [folder = '', image = ''] = process.argv.slice(2);
// A new network namespace has its loopback device down.
execFileSync('ip', ['link', 'set', 'lo', 'up']);

const began = performance.now();
const cleanups: (() => void | Promise<void>)[] = [];
const registries = readFileSync(join(folder, 'registries.conf'), 'utf8');
const later = createManualClock(Date.UTC(2026, 0, 2));
const proxy = await startApp(
  { after: (fn) => void cleanups.push(fn) },
  { registries, folder },
  { clock: later },
);
const startMs = performance.now() - began;
const ping = await get(`${proxy.url}/v2/`);
const byTag = await get(`${proxy.url}/v2/${image}/manifests/1`);
const byDigest = await get(
  `${proxy.url}/v2/${image}/manifests/${String(byTag.headers['docker-content-digest'])}`,
);
console.log(JSON.stringify({ startMs, pings: ping.status, caches: [cacheOf(byTag), cacheOf(byDigest)] }));
for (const cleanup of cleanups) await cleanup();
