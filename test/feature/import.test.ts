/** `entrepot import`: archives become images that stay, with the digests that they had. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseReceipt } from '../../src/airgap/receipt.ts';
import { type AppFiles, startApp } from '../support/app.ts';
import { bundleVolumes, contentsOf, writeArchive } from '../support/archives.ts';
import { runCommand } from '../support/commands.ts';
import { get } from '../support/http-client.ts';
import { buildImage, buildIndex } from '../support/images.ts';

const offline: AppFiles = {
  registries: '[[registry]]\nlocation = "quay.io"\n',
  toml: '[upstream]\noffline = true\n',
};
const name = 'quay.io/team/app';

async function manifestOf(url: string, reference: string, image = name) {
  const answer = await get(`${url}/v2/${image}/manifests/${reference}`);
  return [answer.status, answer.headers['docker-content-digest']];
}

describe('a bundle of one volume', () => {
  it('is pulled by tag and by digest on a site without a network, also after a purge that does not name hosted content', async (t) => {
    const app = await startApp(t, offline);
    const image = buildIndex({ layers: [70_000] });
    const [volume] = bundleVolumes([{ name, tag: '1.0', image }]);
    const file = writeArchive(join(app.folder, 'site.0001.tar'), volume!);
    const { code, json } = await runCommand(
      app,
      'import',
      file,
      '--receipt',
      join(app.folder, 'r.json'),
      '--json',
    );
    assert.deepEqual([code, json.images[0].state], [0, 'done']);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    for (const { digest, bytes, mediaType } of contentsOf(image)) {
      const kind = mediaType === undefined ? 'blobs' : 'manifests';
      const answer = await get(`${app.url}/v2/${name}/${kind}/${digest}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(bytes));
    }
    await runCommand(app, 'purge', `${name}:1.0`);
    assert.deepEqual(await manifestOf(app.url, '1.0'), [200, image.digest]);
    await runCommand(app, 'purge', '--hosted', `${name}:1.0`);
    assert.equal((await manifestOf(app.url, '1.0'))[0], 503);
    const receipt = parseReceipt(readFileSync(join(app.folder, 'r.json')), 'r.json');
    assert.deepEqual(
      receipt.digests,
      contentsOf(image)
        .map(({ digest }) => digest)
        .toSorted(),
    );
    assert.deepEqual(readdirSync(join(app.data, 'imports')), ['store-name'], 'nothing waits any more');
  });

  it('is imported without a running server, too', async (t) => {
    const app = await startApp(t, offline);
    const image = buildImage({ layers: [70_000] });
    const [volume] = bundleVolumes([{ name, tag: '1.0', image }]);
    const file = writeArchive(join(app.folder, 'site.0001.tar'), volume!);
    await app.stop();
    const { code, stdout } = await runCommand(app, 'import', file, '--receipt', join(app.folder, 'r.json'));
    assert.equal(code, 0);
    assert.match(stdout, /^quay\.io\/team\/app:1\.0 sha256:[a-f0-9]{64}: done$/m);
    const again = await startApp(t, { ...offline, folder: app.folder });
    assert.deepEqual(await manifestOf(again.url, '1.0'), [200, image.digest]);
  });
});
