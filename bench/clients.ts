/** Clients that are not the bottleneck: curl for bytes, wrk for rates, and a node client for what they cannot do. */
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { run } from '../test/support/processes.ts';

export interface Pulled {
  readonly status: number;
  /** Milliseconds. */
  readonly firstByte: number;
  readonly total: number;
  readonly bytes: number;
}

const told = '%{http_code} %{time_starttransfer} %{time_total} %{size_download}\\n';

/** One GET of one process. Rejects when the answer breaks off. */
export async function pull(url: string, args: readonly string[] = []): Promise<Pulled> {
  const [pulled] = await curl([...args, '--output', '/dev/null', url]);
  if (!pulled) throw new Error(`curl said nothing about ${url}`);
  return pulled;
}

/** So many GETs of one URL at once, each on its own connection. */
export function pullAtOnce(url: string, readers: number): Promise<readonly Pulled[]> {
  return pullAll(
    Array.from({ length: readers }, () => url),
    readers,
  );
}

/** A GET of each URL, `atOnce` of them at a time. */
export function pullAll(
  urls: readonly string[],
  atOnce: number,
  args: readonly string[] = [],
): Promise<readonly Pulled[]> {
  const each = urls.flatMap((url) => ['--output', '/dev/null', url]);
  return curl([...args, '--parallel', '--parallel-immediate', '--parallel-max', String(atOnce), ...each]);
}

async function curl(args: readonly string[]): Promise<readonly Pulled[]> {
  const { code, stdout, stderr } = await run('curl', [
    '--silent',
    '--show-error',
    '--write-out',
    told,
    ...args,
  ]);
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [status = 0, firstByte = 0, total = 0, bytes = 0] = line.split(' ').map(Number);
      return { status, firstByte: firstByte * 1000, total: total * 1000, bytes };
    });
}

export interface Rate {
  readonly perSecond: number;
  /** Milliseconds that 99 % stay below. */
  readonly p99: number;
  readonly failed: number;
}

/** Requests per second for `seconds`, going through `paths` in turn on eight connections. */
export async function rate(
  folder: string,
  url: string,
  paths: readonly string[],
  options: { seconds: number; headers?: Readonly<Record<string, string>> },
): Promise<Rate> {
  const script = join(folder, 'paths.lua');
  const list = paths.map((path) => `wrk.format("GET", "${path}", headers)`).join(',\n');
  const headers = Object.entries(options.headers ?? {}).map(([name, value]) => `["${name}"] = "${value}"`);
  writeFileSync(
    script,
    `local requests = {}
     local turn = 0
     function init(args)
       local headers = { ${headers.join(', ')}, ["Host"] = wrk.headers["Host"] }
       requests = { ${list} }
     end
     function request()
       turn = turn % #requests + 1
       return requests[turn]
     end
     function done(summary, latency)
       local e = summary.errors
       local failed = e.connect + e.read + e.write + e.status + e.timeout
       io.write(string.format("told %.3f %.3f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(99) / 1000, failed))
     end`,
  );
  const args = [
    '--threads',
    '1',
    '--connections',
    '8',
    '--duration',
    `${options.seconds}s`,
    '--script',
    script,
    url,
  ];
  const { stdout, stderr } = await run('wrk', args);
  const [, perSecond, p99, failed] = /told (\S+) (\S+) (\d+)/.exec(stdout) ?? [];
  if (perSecond === undefined) throw new Error(`wrk said nothing that can be read:\n${stdout}${stderr}`);
  return { perSecond: Number(perSecond), p99: Number(p99), failed: Number(failed) };
}

/** A GET that is broken off after `bytes`, as a client does that asks for an open end and takes a piece of it. */
export function take(url: string, start: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { agent: false, headers: { range: `bytes=${start}-` } }, (answer) => {
      let got = 0;
      answer.on('data', (chunk: Buffer) => {
        got += chunk.length;
        if (got >= bytes) answer.destroy();
      });
      answer.on('error', () => {});
      answer.once('close', () => resolve(got));
    });
    asking.on('error', reject);
    asking.end();
  });
}

export interface Walked {
  readonly status: number;
  readonly ms: number;
}

/** GETs or HEADs one after the other on as few connections as can be. */
export async function walk(
  url: string,
  requests: readonly { method: 'GET' | 'HEAD'; path: string; headers?: Readonly<Record<string, string>> }[],
): Promise<readonly Walked[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const walked: Walked[] = [];
  for (const { method, path, headers = {} } of requests) {
    const began = performance.now();
    const status = await new Promise<number>((resolve, reject) => {
      const asking = request(`${url}${path}`, { method, agent, headers }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode ?? 0));
        answer.once('error', reject);
      });
      asking.once('error', reject);
      asking.end();
    });
    walked.push({ status, ms: performance.now() - began });
  }
  agent.destroy();
  return walked;
}
