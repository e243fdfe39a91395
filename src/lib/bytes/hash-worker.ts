/**
 * The thread that hashes. Bytes of a stream are hashed as they come. Of growing files it reads the contiguous prefix of each file from the page cache, one slice of each in turn,
 * so that a long re-hash after a restart does not delay a small blob.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { reasonOf, systemCode } from '../thrown.ts';

export type HashRequest =
  | { readonly op: 'begin'; readonly id: number; readonly path: string; readonly algorithm: string }
  | { readonly op: 'advance'; readonly id: number; readonly to: number; readonly tells?: true }
  | { readonly op: 'finish'; readonly id: number; readonly size: number }
  | { readonly op: 'stream'; readonly id: number; readonly algorithm: string }
  | { readonly op: 'update'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly op: 'digest'; readonly id: number }
  | { readonly op: 'abandon'; readonly id: number };

export type HashReply = { readonly id: number } & (
  | { readonly hex: string }
  | { readonly reached: number }
  /** So many bytes more of a stream are hashed. */
  | { readonly hashed: number }
  | { readonly error: string; readonly code: string | undefined }
);

interface Job {
  readonly fd: number;
  readonly hash: Hash;
  position: number;
  goal: number;
  /** A reply is sent when so many bytes are hashed. */
  tellAt: number | undefined;
  finishAt: number | undefined;
}

const slice = 4 * 1024 * 1024;
const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
const jobs = new Map<number, Job>();
const streams = new Map<number, Hash>();
const port = parentPort;
let working = false;

port?.on('message', (request: HashRequest) => {
  try {
    take(request);
  } catch (error) {
    fail(request.id, error);
  }
});

function take(request: HashRequest): void {
  if (request.op === 'stream' || request.op === 'update' || request.op === 'digest') {
    takeStream(request);
    return;
  }
  if (request.op === 'abandon' && streams.delete(request.id)) return;
  if (request.op === 'begin') {
    const fd = openSync(request.path, 'r');
    jobs.set(request.id, {
      fd,
      hash: createHash(request.algorithm),
      position: 0,
      goal: 0,
      tellAt: undefined,
      finishAt: undefined,
    });
    return;
  }
  const job = jobs.get(request.id);
  if (!job) {
    // An earlier thread began this hash and has died.
    if (request.op === 'finish' || (request.op === 'advance' && request.tells))
      fail(request.id, new Error('the hash was lost'));
    return;
  }
  if (request.op === 'abandon') {
    end(request.id, job);
    return;
  }
  if (request.op === 'finish') job.finishAt = request.size;
  else if (request.tells) job.tellAt = request.to;
  job.goal = Math.max(job.goal, request.op === 'finish' ? request.size : request.to);
  if (!working) {
    working = true;
    setImmediate(work);
  }
}

function takeStream(request: HashRequest & { readonly op: 'stream' | 'update' | 'digest' }): void {
  const { id } = request;
  if (request.op === 'stream') {
    streams.set(id, createHash(request.algorithm));
    return;
  }
  const hash = streams.get(id);
  if (request.op === 'update') {
    hash?.update(request.bytes);
    port?.postMessage({ id, hashed: request.bytes.length } satisfies HashReply);
    return;
  }
  streams.delete(id);
  if (hash) port?.postMessage({ id, hex: hash.digest('hex') } satisfies HashReply);
  else fail(id, new Error('the hash was lost'));
}

/** Hashes one slice of every file that has new bytes, then lets messages in. */
function work(): void {
  let more = false;
  for (const [id, job] of jobs) {
    try {
      advance(job);
      if (job.tellAt !== undefined && job.position >= job.tellAt) {
        port?.postMessage({ id, reached: job.tellAt } satisfies HashReply);
        job.tellAt = undefined;
      }
      if (job.position === job.finishAt) {
        port?.postMessage({ id, hex: job.hash.digest('hex') } satisfies HashReply);
        end(id, job);
      } else if (job.position < job.goal) {
        more = true;
      }
    } catch (error) {
      fail(id, error);
    }
  }
  working = more;
  if (more) setImmediate(work);
}

function advance(job: Job): void {
  const until = Math.min(job.goal, job.position + slice);
  while (job.position < until) {
    const count = readSync(job.fd, buffer, 0, Math.min(buffer.length, until - job.position), job.position);
    if (count === 0) throw new Error('the file is shorter than it should be');
    job.hash.update(buffer.subarray(0, count));
    job.position += count;
  }
}

function end(id: number, job: Job): void {
  jobs.delete(id);
  closeSync(job.fd);
}

function fail(id: number, error: unknown): void {
  const job = jobs.get(id);
  if (job) end(id, job);
  port?.postMessage({
    id,
    error: reasonOf(error),
    code: systemCode(error),
  } satisfies HashReply);
}
