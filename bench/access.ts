/**
 * What access control costs a warm manifest: without `[access]`, with accounts and no credentials sent, and with a bearer token. All three
 * are Entrepot. Processor time per request is compared, since it moves less than rates do on a shared machine.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { pull, rate } from './clients.ts';
import { repeat } from './cold.ts';
import { type Line, median } from './measure.ts';
import type { RunningPeer } from './peers/peer.ts';
import { processorTime } from './processes.ts';
import { manifestHeaders } from './rates.ts';
import type { Row } from './row.ts';
import { isInstalled } from './stage.ts';
import { startUpstream } from './upstream.ts';

const account = { name: 'bench', password: 'bench-password' };

interface Case {
  readonly name: string;
  readonly peer: RunningPeer;
  readonly headers: Readonly<Record<string, string>>;
  /** Microseconds of processor time per request, one for each turn. */
  readonly costs: number[];
}

const row: Row = {
  name: 'access',
  asks: 'cached manifests without [access], with it and no credentials, and with a bearer token',
  async run({ stage, start, quick, turns }) {
    if (!isInstalled('wrk'))
      return [{ row: 'access', what: 'cost', unit: 'times', values: {}, note: 'needs wrk' }];
    const upstream = await startUpstream(stage, { images: repeat('1KiB', 4) });
    const paths = upstream.images.map((image) => image.byTag);
    const htpasswd = join(stage.folder('accounts'), 'htpasswd');
    writeFileSync(htpasswd, `${account.name}:${hashSync(account.password, 4)}\n`);
    const toml = `[access]\nhtpasswd = "${htpasswd}"\n`;
    const [plain] = await start(upstream, ['entrepot']);
    const [guarded] = await start({ ...upstream, toml }, ['entrepot']);
    if (!plain || !guarded) return [];
    for (const { url } of [plain, guarded]) for (const path of paths) await pull(url + path);
    await upstream.quiet();
    const bearer = await tokenFor(guarded.url, paths);
    const cases: Case[] = [
      { name: 'without [access]', peer: plain, headers: {}, costs: [] },
      { name: 'no credentials', peer: guarded, headers: {}, costs: [] },
      { name: 'a bearer token', peer: guarded, headers: { Authorization: `Bearer ${bearer}` }, costs: [] },
    ];
    const folder = stage.folder('wrk');
    const seconds = quick ? 1 : 3;
    for (let turn = 0; turn <= turns; turn += 1) {
      const inTurn = cases.map((_, place) => cases[(turn + place) % cases.length] as Case);
      for (const { name, peer, headers, costs } of inTurn) {
        const before = processorTime(peer.pid);
        const options = { seconds, headers: { ...manifestHeaders, ...headers } };
        const { perSecond, failed } = await rate(folder, peer.url, paths, options);
        if (failed > 0) throw new Error(`${failed} of the requests with ${name} failed`);
        // The first turn warms up.
        if (turn > 0) costs.push(((processorTime(peer.pid) - before) / (perSecond * seconds)) * 1000);
      }
    }
    return linesOf(cases);
  },
};

function linesOf([plain, open, bearer]: readonly Case[]): readonly Line[] {
  const base = median(plain?.costs ?? []);
  const note = `${base.toFixed(0)} us of processor time without [access]`;
  const times = (one: Case | undefined) => ({ entrepot: median(one?.costs ?? []) / base });
  return [
    {
      row: 'access',
      what: 'no credentials',
      unit: 'times',
      values: times(open),
      goals: [{ atMost: 1.05 }],
      note,
    },
    {
      row: 'access',
      what: 'a bearer token',
      unit: 'times',
      values: times(bearer),
      goals: [{ atMost: 1.34 }],
    },
  ];
}

/** One token for the repositories of all paths. */
async function tokenFor(url: string, paths: readonly string[]): Promise<string> {
  const scopes = paths.map(
    (path) => `repository:${path.slice('/v2/'.length, path.lastIndexOf('/manifests/'))}:pull`,
  );
  const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]));
  const basic = Buffer.from(`${account.name}:${account.password}`).toString('base64');
  const answer = await fetch(`${url}/token?${query}`, { headers: { authorization: `Basic ${basic}` } });
  return ((await answer.json()) as { token: string }).token;
}

export const access: readonly Row[] = [row];
