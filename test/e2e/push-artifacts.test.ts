/**
 * What build tools and signers push: BuildKit's caches in their two forms, and cosign's signatures as a fallback tag and as a referrer.
 * The tools are no packages here, so oras pushes what they push (BuildKit, cache/remotecache; cosign, specs/SIGNATURE_SPEC.md and
 * BUNDLE_SPEC.md); other clients read it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { type Image, sha256 } from './support/images.ts';
import { pushWithSkopeo } from './support/origin.ts';
import { type Environment, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const programs = ['oras', 'crane', 'regctl'];
const settings = `
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;

describe('what build tools and signers push', () => {
  let site: Site;
  let entrepot: RunningEntrepot;
  let repository: string;
  let image: Image;
  let folder: string;
  let env: Environment;

  before(async () => {
    if (obstacle(programs) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    entrepot = site.own(await startEntrepot(home, site.resident(home), { registries: '', settings }));
    folder = site.folder('client');
    env = site.resident(folder);
    repository = `${entrepot.host}/images.local/team/app`;
    image = await site.images.image('built');
    await pushWithSkopeo(image, `${repository}:1`, env);
  });
  after(() => site?.close());

  const crane = (...args: string[]) => run('crane', args, env);
  const file = (name: string, content: string) => place(join(folder, name), content);

  async function pushBlob(mediaType: string, path: string) {
    const bytes = readFileSync(path);
    const digest = sha256(bytes);
    await run('oras', ['blob', 'push', '--plain-http', '--no-tty', `${repository}@${digest}`, path], env);
    return { mediaType, digest, size: bytes.length };
  }

  async function pushManifest(
    reference: string,
    manifest: { readonly mediaType: string; readonly [field: string]: unknown },
  ): Promise<string> {
    const path = file('manifest.json', JSON.stringify({ schemaVersion: 2, ...manifest }));
    const type = ['--media-type', manifest.mediaType];
    await run('oras', ['manifest', 'push', '--plain-http', ...type, `${repository}${reference}`, path], env);
    return sha256(readFileSync(path));
  }

  const cacheConfig = 'application/vnd.buildkit.cacheconfig.v0';
  const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';

  test("BuildKit's cache, an index whose children are layers, is taken and read back", async (t) => {
    if (!isEquipped(t, programs)) return;
    const layer = await pushBlob(layerType, file('layer', 'a layer of the cache'));
    const config = await pushBlob(cacheConfig, file('config', '{"layers":[{}],"records":[]}'));
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const digest = await pushManifest(':cache', { mediaType, manifests: [layer, config] });
    assert.equal((await crane('digest', `${repository}:cache`)).trim(), digest);
    assert.equal(await crane('blob', `${repository}@${layer.digest}`), 'a layer of the cache');
  });

  test("BuildKit's cache, an image with a configuration of its own type, is taken and read back", async (t) => {
    if (!isEquipped(t, programs)) return;
    const layer = await pushBlob(layerType, file('layer', 'another layer of the cache'));
    const config = await pushBlob(cacheConfig, file('config', '{"layers":[{}],"records":[{}]}'));
    const digest = await pushManifest(':cache2', { mediaType: manifestType, config, layers: [layer] });
    assert.equal((await crane('digest', `${repository}:cache2`)).trim(), digest);
    assert.equal(await crane('blob', `${repository}@${config.digest}`), '{"layers":[{}],"records":[{}]}');
  });

  test("cosign's signature under a tag is found by the digest of the image", async (t) => {
    if (!isEquipped(t, programs)) return;
    const payload = `{"critical":{"image":{"docker-manifest-digest":"${image.digest}"}}}`;
    const signed = await pushBlob(
      'application/vnd.dev.cosign.simplesigning.v1+json',
      file('payload', payload),
    );
    const annotations = { 'dev.cosignproject.cosign/signature': 'c2lnbmF0dXJl' };
    const config = await pushBlob('application/vnd.oci.image.config.v1+json', file('config', '{"os":""}'));
    const tag = `${image.digest.replace(':', '-')}.sig`;
    const layers = [{ ...signed, annotations }];
    const digest = await pushManifest(`:${tag}`, { mediaType: manifestType, config, layers });
    assert.equal((await crane('digest', `${repository}:${tag}`)).trim(), digest);
    assert.equal(await crane('blob', `${repository}@${signed.digest}`), payload);
    assert.match(await crane('ls', repository), new RegExp(`^${tag}$`, 'm'));
  });

  test("cosign's bundle and BuildKit's attestation are referrers of the image, and go along with a copy", async (t) => {
    if (!isEquipped(t, programs)) return;
    const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const provenance = 'application/vnd.in-toto+json';
    for (const [type, content] of [
      [bundle, '{"mediaType":"bundle"}'],
      [provenance, '{"_type":"statement"}'],
    ] as const) {
      const how = ['--plain-http', '--no-tty', '--disable-path-validation', '--artifact-type', type];
      await run(
        'oras',
        ['attach', ...how, `${repository}@${image.digest}`, `${file('attached', content)}:${type}`],
        env,
      );
    }
    const plain = ['--host', `reg=${entrepot.host},tls=disabled`];
    const list = async (field: string, from: string, ...more: string[]) => {
      const format = ['--format', `{{range .Descriptors}}{{.${field}}}{{"\\n"}}{{end}}`];
      const args = [...plain, 'artifact', 'list', ...format, ...more, from];
      return (await run('regctl', args, env)).trim().split('\n').sort();
    };
    assert.deepEqual(await list('ArtifactType', `${repository}:1`), [bundle, provenance]);
    assert.deepEqual(await list('ArtifactType', `${repository}:1`, '--filter-artifact-type', bundle), [
      bundle,
    ]);
    const layout = `ocidir://${join(folder, 'layout')}:1`;
    const copy = (from: string, to: string) =>
      run('regctl', [...plain, 'image', 'copy', '--referrers', from, to], env);
    await copy(`${repository}:1`, layout);
    await copy(layout, `${repository}-copy:1`);
    assert.deepEqual(await list('Digest', `${repository}-copy:1`), await list('Digest', `${repository}:1`));
    const attached = sha256(Buffer.from('{"mediaType":"bundle"}'));
    assert.equal(await crane('blob', `${repository}-copy@${attached}`), '{"mediaType":"bundle"}');
  });
});
