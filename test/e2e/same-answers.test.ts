/** Entrepot beside the registry: what a client asks of either has the same answer, also when the registry is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestAccept } from '../../src/oci/media-types.ts';
import { get, json } from '../support/http-client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { sha256 } from './support/images.ts';
import { startOrigin } from './support/origin.ts';
import { openSite } from './support/site.ts';

interface Question {
  readonly method: 'HEAD' | 'GET';
  /** After `/v2/`. */
  readonly path: string;
  readonly range?: string;
}

const ways: Readonly<Record<string, (path: string) => string>> = {
  'the default registry': (path) => path,
  'the path': (path) => `quay.io/${path}`,
  ns: (path) => `${path}?ns=quay.io`,
};
const nothing = `sha256:${'0'.repeat(64)}`;
const unanswerable = asked([
  'team/app/manifests/none',
  `team/app/manifests/${nothing}`,
  `team/app/blobs/${nothing}`,
  'team/app/blobs/sha256:0',
  'team/none/manifests/1',
]);

test('HEAD, GET and ranges, in each way to name the registry, have the answers of the registry', async (t) => {
  if (!isEquipped(t)) return;
  const site = await openSite();
  t.after(() => site.close());
  const env = site.resident(site.folder('origin'));
  const origin = site.own(await startOrigin(site.folder('origin'), env));
  await origin.push(await site.images.index('same'), 'team/app', '1');

  const { manifests, blobs } = await everythingBelow(origin.host, 'team/app', '1');
  const ranges = ['bytes=0-9', 'bytes=100-', 'bytes=-7', 'bytes=7-7'];
  const answerable = [
    ...asked([...manifests, ...blobs]),
    ...blobs.flatMap((path) => ranges.map((range): Question => ({ method: 'GET', path, range }))),
  ];
  const expected = new Map<Question, object>();
  for (const question of [...answerable, ...unanswerable]) {
    expected.set(question, await answer(origin.host, question));
  }
  const compare = async (host: string, way: string, questions: readonly Question[], when: string) => {
    for (const question of questions) {
      const path = ways[way]?.(question.path) ?? '';
      const told = `${question.method} ${path} ${question.range ?? ''} (${when})`;
      assert.deepEqual(await answer(host, { ...question, path }), expected.get(question), told);
    }
  };

  const start = (home: string) =>
    startEntrepot(home, env, {
      registries: `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`,
      settings: '[routing]\ndefault_registry = "quay.io"\n',
    });
  const homes = new Map<string, string>();
  for (const way of Object.keys(ways)) {
    const home = site.folder('entrepot');
    homes.set(way, home);
    const entrepot = site.own(await start(home));
    await compare(entrepot.host, way, [...answerable, ...unanswerable], 'cold');
    await compare(entrepot.host, way, [...answerable, ...unanswerable], 'cached');
    await entrepot.stop();
  }
  await origin.stop();
  for (const [way, home] of homes) {
    const entrepot = site.own(await start(home));
    await compare(entrepot.host, way, answerable, 'the registry is gone');
  }
});

/** HEAD comes first: it must tell what GET will give before anything is here. */
function asked(paths: readonly string[]): readonly Question[] {
  return paths.flatMap((path) => (['HEAD', 'GET'] as const).map((method) => ({ method, path })));
}

/** Of an error, its code: what else it says is each server's own. */
async function answer(host: string, { method, path, range }: Question): Promise<object> {
  const headers = { accept: manifestAccept.join(', '), ...(range !== undefined && { range }) };
  const given = await get(`http://${host}/v2/${path}`, { method, headers });
  const { status, body } = given;
  if (status >= 400) {
    const code =
      method === 'HEAD' ? undefined : (json(given) as { errors: { code: string }[] }).errors[0]?.code;
    return { status, code };
  }
  const names = ['docker-content-digest', 'content-type', 'content-length', 'content-range'];
  return { status, told: names.map((name) => given.headers[name]), body: sha256(body) };
}

/** Paths of the manifests, by tag and by digest, and of the blobs. */
async function everythingBelow(
  host: string,
  repository: string,
  reference: string,
): Promise<{ manifests: string[]; blobs: string[] }> {
  const path = `${repository}/manifests/${reference}`;
  const headers = { accept: manifestAccept.join(', ') };
  const given = await get(`http://${host}/v2/${path}`, { headers });
  const found = { manifests: [path], blobs: [] as string[] };
  const manifest = json(given) as Record<string, { digest: string }[] | undefined>;
  for (const child of manifest.manifests ?? []) {
    const below = await everythingBelow(host, repository, child.digest);
    found.manifests.push(...below.manifests);
    found.blobs.push(...below.blobs);
  }
  for (const blob of [manifest.config ?? [], manifest.layers ?? []].flat()) {
    found.blobs.push(`${repository}/blobs/${blob.digest}`);
  }
  const digest = `${repository}/manifests/${sha256(given.body)}`;
  if (digest !== path) found.manifests.push(digest);
  return found;
}
