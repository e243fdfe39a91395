#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=4
/**
 * The entry: `node dist/main.js COMMAND`, or `./entrepot COMMAND` in a checkout. The rest is loaded only if Node is new enough,
 * because an older version would fail at an import with a message that does not help. The check is for dist/: a version before 22.18
 * cannot load src/main.ts at all and says "Unknown file extension".
 *
 * The settings in the first line limit memory that makes nothing faster. MALLOC_ARENA_MAX: glibc gives each thread a heap of its own,
 * which keeps freed memory (25 MiB of 200). The flag: V8's young generation grows with the memory of the machine. Both are set in
 * every place that starts the server: here, in ./entrepot and in deploy/systemd.
 */
import './cli/thread-pool.ts';
import { readFileSync } from 'node:fs';

const packageFile = new URL('../package.json', import.meta.url);
const { engines } = JSON.parse(readFileSync(packageFile, 'utf8')) as { engines: { node: string } };
const needed = engines.node.replace('>=', '');

if (isOlder(process.versions.node, needed)) {
  const found = `${process.execPath} is Node ${process.versions.node}`;
  process.stderr.write(`entrepot: Node ${needed} or later is needed, but ${found}\n`);
  process.exit(2);
}
let lost: NodeJS.ErrnoException | undefined;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that stops early, such as head, is no failure.
  if (error.code !== 'EPIPE') lost ??= error;
});
process.stderr.on('error', () => {});
const { runProgram } = await import('./cli/program.ts');
let exitCode: number = await runProgram(process.argv.slice(2));
// A pipe holds 64 KiB. Output that its reader has not taken yet would be lost.
await written(process.stdout);
if (lost) {
  process.stderr.write(`entrepot: standard output cannot be written: ${lost.message}\n`);
  exitCode ||= 1;
}
await written(process.stderr);
// Open timers and connections must not delay the end.
process.exit(exitCode);

/** Resolves when everything is written, or cannot be written. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve): void => {
    // An error of an earlier write may not have been reported yet.
    if (stream.writableLength === 0) return void setImmediate(resolve);
    stream.once('error', () => resolve());
    stream.write('', () => resolve());
  });
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [neededMajor = 0, neededMinor = 0] = than.split('.').map(Number);
  return major < neededMajor || (major === neededMajor && minor < neededMinor);
}
