/**
 * The processor time of the client of buckets, beside the SDK of AWS: `bucket-client.ts` in a process of its own, against a bucket that
 * keeps nothing. The SDK is there after `npm ci --prefix bench/peers/aws-sdk`.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run, startProcess } from '../test/support/processes.ts';
import { type Line, median } from './measure.ts';
import type { Row } from './row.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const MiB = 1024 * 1024;
const works = [
  { work: 'get', what: 'GET of 1 GiB, processor time', amount: 1024 * MiB },
  { work: 'put', what: 'PUT of 512 MiB, processor time', amount: 512 * MiB },
  { work: 'head', what: '2,000 HEADs, processor time', amount: 2000 },
  { work: 'presign', what: '2,000 presigned URLs, processor time', amount: 2000 },
] as const;

interface Spent {
  readonly ms: number;
  readonly memory: number;
}

async function spent(tool: string, work: string, endpoint: string, amount: number): Promise<Spent> {
  const args = [file('bucket-client.ts'), tool, work, endpoint, String(amount)];
  const { code, stdout, stderr } = await run(process.execPath, args);
  if (code !== 0) throw new Error(`${tool} ${work} ended with ${code}:\n${stderr.slice(-2000)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Spent;
}

const row: Row = {
  name: 'buckets',
  asks: 'what it costs to read, write and ask a bucket over S3; beside the SDK of AWS',
  async run({ stage, quick, turns }) {
    const bucket = startProcess(process.execPath, [file('bucket-stand-in.ts')]);
    stage.defer(() => bucket.stop());
    const endpoint = await bucket.line(/^http:/);
    const hasSdk = existsSync(file('peers/aws-sdk/node_modules'));
    const tools = hasSdk ? (['entrepot', 'aws-sdk'] as const) : (['entrepot'] as const);
    const lines: Line[] = [];
    for (const { work, what, amount } of works) {
      const all = new Map<(typeof tools)[number], Spent[]>(tools.map((tool) => [tool, []]));
      for (let turn = 0; turn < turns; turn += 1) {
        for (let place = 0; place < tools.length; place += 1) {
          const tool = tools[(turn + place) % tools.length] ?? 'entrepot';
          all.get(tool)?.push(await spent(tool, work, endpoint, quick ? Math.ceil(amount / 16) : amount));
        }
      }
      const valuesOf = (figure: keyof Spent) =>
        Object.fromEntries(
          [...all].map(([tool, figures]) => [tool, median(figures.map((one) => one[figure]))]),
        );
      lines.push({
        row: 'bucket',
        what,
        unit: 'ms',
        values: valuesOf('ms'),
        goals: [{ against: 'aws-sdk', atLeast: 1 }],
      });
      if (work === 'put')
        lines.push({ row: 'bucket', what: 'memory at most, PUT', unit: 'MiB', values: valuesOf('memory') });
    }
    return lines;
  },
};

export const buckets: readonly Row[] = [row];
