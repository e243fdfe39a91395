/** All the ways in which the power can go at all the moments of a recorded disk. */
import { rmSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Losses, RecordedDisk } from './recorded-disk.ts';
import { tempFolder } from './temp-folder.ts';

/** With LONG=1 each moment is cut in every way; else in a few, the next moment in others. */
const long = process.env.LONG === '1';
const atOnce = 8;

const all = () => true;
const none = () => false;
const kept = () => 'kept' as const;
const lost = () => 'lost' as const;
const zeros = () => 'zeros' as const;
const half = () => 'half' as const;
const ways = {
  'nothing is lost': { name: all, bytes: kept, log: 1 },
  'only the log is lost': { name: all, bytes: kept, log: 0 },
  'the log is torn, bytes are lost': { name: all, bytes: lost, log: 0.7 },
  'bytes are zeros': { name: all, bytes: zeros, log: 1 },
  'bytes of large files are zeros': {
    name: all,
    bytes: (size) => (size > 2000 ? 'zeros' : 'kept'),
    log: 1,
  },
  'bytes are half there, the log is gone': { name: all, bytes: half, log: 0 },
  'names and bytes are lost': { name: none, bytes: lost, log: 1 },
  'all of it is lost': { name: none, bytes: lost, log: 0 },
  'old names stay': { name: (change) => change === 'made', bytes: zeros, log: 1 },
  'new names are lost, old ones go': { name: (change) => change === 'removed', bytes: zeros, log: 1 },
  'every other name is lost': { name: (_, index) => index % 2 === 0, bytes: zeros, log: 0.5 },
  'every other name is lost, from the second on': {
    name: (_, index) => index % 2 === 1,
    bytes: half,
    log: 1,
  },
} satisfies Record<string, Losses>;

type Way = keyof typeof ways;

/**
 * Calls `check` with a folder as it is left by the cut in this moment. Fails with the first cut that `check` fails on. Each moment is
 * also cut in the way that is the worst for what is tested.
 */
export async function cutEverywhere(
  t: TestContext,
  disk: RecordedDisk,
  check: (folder: string, moment: number) => Promise<void>,
  worst?: Way,
): Promise<void> {
  const names = Object.keys(ways) as Way[];
  const cuts: { readonly moment: number; readonly name: Way }[] = [];
  for (let moment = 0; moment < disk.moments; moment += 1) {
    for (const [index, name] of names.entries()) {
      const isNext = index === (moment * 5) % names.length;
      if (long || isNext || name === worst) cuts.push({ moment, name });
    }
  }
  t.diagnostic(`${disk.moments} moments, ${cuts.length} power cuts`);
  const worker = async () => {
    for (let cut = cuts.pop(); cut; cut = cuts.pop()) {
      const { moment, name } = cut;
      const folder = tempFolder(t);
      try {
        disk.restore(moment, folder, ways[name]);
        await check(folder, moment);
        rmSync(folder, { recursive: true });
      } catch (error) {
        const where = `moment ${moment} (${disk.describe(moment)}), ${name}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
