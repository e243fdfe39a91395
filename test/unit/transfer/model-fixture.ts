/** What the model tests of the engine share: small limits, so that small blobs meet every case, and random readers. */
import fc from 'fast-check';

export const modelLimits = {
  joinDistance: 3000,
  refetchThreshold: 700,
  holdBack: 1500,
  writeBatch: 4096,
  keepWritten: 2048,
  readBuffer: 1000,
  saveEvery: 2,
  piece: 5000,
};

/** More of them with `LONG=1`. */
export const modelRuns = process.env.LONG === '1' ? 5000 : 150;

/** When a reader comes and how fast it reads: event-loop turns before it comes, and between two chunks. */
export const pace = { delay: fc.integer({ min: 0, max: 60 }), pause: fc.integer({ min: 0, max: 6 }) };

/** Resolves after so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
