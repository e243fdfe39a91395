/** Gates by signature: a manifest is answered once it is signed as policy.json requires. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { basic, passwords, startGuarded } from '../support/access.ts';
import { digestOf } from '../support/byte-source.ts';
import { createManualClock } from '../support/clock.ts';
import { neverAnswer, status } from '../support/fake-registry-faults.ts';
import { get, type HttpAnswer, json } from '../support/http-client.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { pusher } from '../support/pusher.ts';
import {
  type CosignLayer,
  cosignLayer,
  cosignPayload,
  cosignTag,
  createSigningKey,
  type GatedOptions,
  putCosign,
  requiring,
  signatureGate,
  sigstoreBy,
  startGated,
} from '../support/signing.ts';
import { tempFolder } from '../support/temp-folder.ts';

const key = createSigningKey();
const otherKey = createSigningKey();
const image = buildImage();
const index = buildIndex({ platforms: ['linux/amd64', 'linux/arm64'] });
const minute = 60_000;
const hour = 60 * minute;

async function gated(t: TestContext, options: GatedOptions = {}) {
  const world = await startGated(t, { policy: () => requiring(sigstoreBy(key)), ...options });
  const { registry } = world;
  const signed = (digest = image.digest, by = key, reference = `${registry.host}/app`) =>
    putCosign(registry, 'app', { digest }, [cosignLayer(by, cosignPayload(reference, digest))]);
  registry.putImage('app', '1', image);
  registry.putImage('app', 'multi', index);
  return { ...world, signed };
}

function refusal(answer: HttpAnswer): { code: string; message: string } {
  assert.equal(answer.status, 403, answer.body.toString());
  const [error] = (json(answer) as { errors: { code: string; message: string }[] }).errors;
  assert.equal(error!.code, 'DENIED');
  return error!;
}

async function samples(url: string, name: string): Promise<string[]> {
  const { body } = await get(`${url}/metrics`);
  return body
    .toString()
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`));
}

describe('a signature gate', () => {
  it('answers a signed image, by tag and by digest, to GET and to HEAD', async (t) => {
    const { get: ask, signed, registry } = await gated(t);
    signed();
    for (const what of ['1', image.digest]) {
      assert.equal((await ask('app', `manifests/${what}`, { method: 'HEAD' })).status, 200);
      assert.deepEqual((await ask('app', `manifests/${what}`)).body, image.bytes);
    }
    assert.equal(registry.count({ kind: 'manifest', reference: cosignTag(image), method: 'GET' }), 1);
  });

  it('refuses what has no signature, and says which rule of which file refuses it', async (t) => {
    const { get: ask, proxy, folder } = await gated(t);
    assert.equal((await ask('app', 'manifests/1', { method: 'HEAD' })).status, 403);
    const { message } = refusal(await ask('app', 'manifests/1'));
    assert.match(
      message,
      /is refused by the gate "signed" \(.*policy\.json: default\[0\]\): it has no signature/,
    );
    assert.ok(message.includes(folder));
    refusal(await ask('app', `manifests/${image.digest}`));
    const events = proxy.log.filter(({ event }) => event === 'gate.refused');
    assert.equal(events.length, 2);
    assert.deepEqual([events[0]!.gate, events[0]!.rule], ['signed', `${folder}/policy.json: default[0]`]);
    assert.deepEqual(await samples(proxy.url, 'entrepot_gate_verdicts_total'), [
      'entrepot_gate_verdicts_total{gate="signed",verdict="accepted"} 0',
      'entrepot_gate_verdicts_total{gate="signed",verdict="refused"} 3',
      'entrepot_gate_verdicts_total{gate="signed",verdict="failedOpen"} 0',
      'entrepot_gate_verdicts_total{gate="signed",verdict="failedClosed"} 0',
    ]);
  });

  it('refuses signatures by another key, for another image and for another repository', async (t) => {
    const { get: ask, signed, clock, registry } = await gated(t);
    const reasons: string[] = [];
    for (const put of [
      () => signed(image.digest, otherKey),
      () =>
        putCosign(registry, 'app', image, [
          cosignLayer(key, cosignPayload(`${registry.host}/app`, index.digest)),
        ]),
      () => signed(image.digest, key, `${registry.host}/other`),
      () => putCosign(registry, 'app', image, [cosignLayer(key, Buffer.from('{}'))]),
    ]) {
      put();
      reasons.push(
        refusal(await ask('app', 'manifests/1')).message.replace(/.*: of 1 signatures none counts: one /, ''),
      );
      await clock.advance(2 * minute);
    }
    assert.deepEqual(
      reasons.map((reason) => reason.replaceAll(registry.host, 'HOST')),
      [
        'is by none of the keys',
        `is for the digest ${index.digest}`,
        'is for "HOST/other", which signedIdentity matchRepository does not accept',
        'its payload has not the fields of a simple signature',
      ],
    );
  });

  it('accepts one good signature among others', async (t) => {
    const { get: ask, registry } = await gated(t);
    const payload = cosignPayload(`${registry.host}/app`, image.digest);
    putCosign(registry, 'app', image, [cosignLayer(otherKey, payload), cosignLayer(key, payload)]);
    assert.equal((await ask('app', 'manifests/1')).status, 200);
  });

  it('looks again for a signature that came after the image', async (t) => {
    const { get: ask, signed, clock } = await gated(t);
    refusal(await ask('app', 'manifests/1'));
    signed();
    await clock.advance(minute);
    assert.equal((await ask('app', 'manifests/1')).status, 200);
  });

  it('sees attachments only where registries.d says that they are used', async (t) => {
    const { get: ask, signed } = await gated(t, { registriesD: () => '' });
    signed();
    refusal(await ask('app', 'manifests/1'));
  });

  it('accepts with an index what it lists', async (t) => {
    const { get: ask, signed } = await gated(t);
    const [first] = index.images;
    refusal(await ask('app', `manifests/${first!.digest}`));
    signed(index.digest);
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
    assert.equal((await ask('app', `manifests/${first!.digest}`)).status, 200);
    refusal(await ask('app', 'manifests/1'));
  });

  it('lets nothing pass by digest because one tag may be anything', async (t) => {
    const policy = ({ host }: { readonly host: string }) => ({
      ...requiring({ type: 'reject' }),
      transports: { docker: { [`${host}/app:multi`]: [{ type: 'insecureAcceptAnything' }] } },
    });
    const { get: ask } = await gated(t, { policy });
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
    for (const { digest } of [index, ...index.images]) refusal(await ask('app', `manifests/${digest}`));
  });

  it('answers an index of which one image is signed, and only that image of it', async (t) => {
    const { get: ask, signed, clock } = await gated(t);
    const [first, second] = index.images;
    refusal(await ask('app', `manifests/${index.digest}`));
    signed(second!.digest);
    await clock.advance(minute);
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
    refusal(await ask('app', `manifests/${first!.digest}`));
    assert.equal((await ask('app', `manifests/${second!.digest}`)).status, 200);
  });

  it('lets clients have the signatures themselves, but no image in their clothes', async (t) => {
    const { get: ask, signed, registry } = await gated(t);
    const signature = signed();
    assert.equal((await ask('app', `manifests/${cosignTag(image)}`)).status, 200);
    assert.equal((await ask('app', `manifests/${signature.digest}`)).status, 200);
    const tar = image.layers[0]!;
    const annotations = { 'dev.cosignproject.cosign/signature': '' };
    const disguised = putCosign(registry, 'evil', image, [{ payload: tar.bytes(), annotations }]);
    refusal(await ask('evil', `manifests/${disguised.digest}`));
    refusal(await ask('evil', `manifests/${cosignTag(image)}`));
  });

  it('takes no tar for a signature beside a config that Docker runs, and every signature beside another', async (t) => {
    const { get: ask, registry } = await gated(t);
    const tar = { payload: image.layers[0]!.bytes(), annotations: {} };
    const put = (type: string | null, layer: CosignLayer) =>
      putCosign(registry, 'evil', image, [layer], type).digest;
    for (const type of ['application/octet-stream', 'application/json', 'text/html', '', null]) {
      refusal(await ask('evil', `manifests/${put(type, tar)}`));
      const signature = put(type, cosignLayer(key, Buffer.from('{}')));
      assert.equal((await ask('evil', `manifests/${signature}`)).status, 200);
    }
    // Of notation, whose layer may be CBOR, of oras and cosign 3, and of cosign with OCI 1.1.
    for (const type of [
      'application/vnd.cncf.notary.signature',
      'application/vnd.oci.empty.v1+json',
      'application/vnd.dev.cosign.artifact.sig.v1+json',
    ]) {
      assert.equal((await ask('evil', `manifests/${put(type, tar)}`)).status, 200, type);
    }
  });

  it('does not ask again for what it knows, also after a reload and with no network', async (t) => {
    const { get: ask, signed, registry, proxy, clock } = await gated(t);
    signed();
    assert.equal((await ask('app', 'manifests/1')).status, 200);
    await registry.refuse();
    await clock.advance(2 * hour);
    // The check cannot be made: the last verdict by the same rules counts.
    assert.equal((await ask('app', 'manifests/1')).status, 200);
    assert.equal((await ask('app', 'manifests/multi')).status, 502);
    await proxy.reload({ toml: `${signatureGate}[upstream]\noffline = true\n` });
    assert.equal((await ask('app', 'manifests/1')).status, 200);
  });

  it('refuses what it cannot check', async (t) => {
    const { get: ask, registry, proxy } = await gated(t);
    registry.on({ kind: 'manifest', reference: cosignTag(image) }, status(503));
    const { message } = refusal(await ask('app', 'manifests/1'));
    assert.match(message, /default\[0\]\): its signatures: no endpoint could give it/);
    assert.ok(proxy.log.some(({ event }) => event === 'gate.unavailable'));
  });

  it('checks once for any number of clients', async (t) => {
    const { get: ask, signed, registry } = await gated(t);
    signed();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('app', 'manifests/1')));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
    assert.equal(registry.count({ kind: 'blob' }), 1);
  });

  it('forgets its verdicts when the policy or a key changes', async (t) => {
    const { get: ask, signed, writePolicy, proxy } = await gated(t);
    signed();
    assert.equal((await ask('app', 'manifests/1')).status, 200);
    writePolicy(requiring(sigstoreBy(otherKey)));
    await proxy.reload({});
    refusal(await ask('app', 'manifests/1'));
    writePolicy({ default: [{ type: 'insecureAcceptAnything' }] });
    await proxy.reload({});
    assert.equal((await ask('app', 'manifests/1')).status, 200);
  });

  it('keeps the old policy in force when the new one cannot be used', async (t) => {
    const { get: ask, writePolicy, proxy } = await gated(t);
    writePolicy({ default: [{ type: 'signedByMagic' }] });
    assert.throws(
      () => void proxy.reload({}),
      /default\[0\]\.type: "signedByMagic" is no type of requirement/,
    );
    refusal(await ask('app', 'manifests/1'));
  });

  it('leaves images alone that it does not match', async (t) => {
    const { get: ask } = await gated(t, { toml: `${signatureGate}match = "docker.io/**"\n` });
    assert.equal((await ask('app', 'manifests/1')).status, 200);
  });
});

describe('a signature gate before what is pushed here', () => {
  it('is passed by principals that may push, so that they can sign', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'policy.json'), JSON.stringify(requiring(sigstoreBy(key))));
    writeFileSync(join(folder, 'test.yaml'), 'default-docker:\n  use-sigstore-attachments: true\n');
    const gate = `[[gate]]\nname = "signed"\nkind = "signature"\npolicy = "${folder}/policy.json"\nregistries_d = "${folder}"\n`;
    const more = `[[access.rule]]\nwho = ["bob"]\nmatch = "images.local/**"\nmay = ["pull"]\n${gate}`;
    const clock = createManualClock();
    const { proxy } = await startGuarded(t, { more }, { clock });
    const ann = pusher(proxy.url, 'images.local/app', basic('ann', passwords.ann));
    const statusFor = async (name: 'ann' | 'bob') => {
      const headers = basic(name, passwords[name]);
      return (await get(`${proxy.url}/v2/images.local/app/manifests/1`, { headers })).status;
    };
    for (const blob of image.blobs) await ann.blob(blob.bytes());
    const manifest = JSON.parse(image.bytes.toString()) as object;
    const pushed = await ann.manifest('1', manifest);
    const digest = String(pushed.headers['docker-content-digest']);
    assert.deepEqual([await statusFor('ann'), await statusFor('bob')], [200, 403]);

    const { payload, annotations } = cosignLayer(key, cosignPayload('images.local/app', digest));
    const config = '{"rootfs":{"type":"layers","diff_ids":[]}}';
    const descriptor = (mediaType: string, pushed: string, size: number) => ({
      mediaType,
      digest: pushed,
      size,
    });
    await ann.manifest(`${digest.replace(':', '-')}.sig`, {
      schemaVersion: 2,
      mediaType: image.mediaType,
      config: descriptor('application/vnd.oci.image.config.v1+json', await ann.blob(config), config.length),
      layers: [
        {
          ...descriptor(
            'application/vnd.dev.cosign.simplesigning.v1+json',
            await ann.blob(payload),
            payload.length,
          ),
          annotations,
        },
      ],
    });
    await clock.advance(minute);
    assert.equal(await statusFor('bob'), 200);
  });
});

describe('a signature gate where clients without an account may push', () => {
  for (const [what, access, more] of [
    ['by [access]', 'anonymous = ["pull", "push"]\nhtpasswd = "htpasswd"', ''],
    [
      'by a rule',
      'anonymous = ["pull"]\nhtpasswd = "htpasswd"',
      '[[access.rule]]\nwho = ["anonymous"]\nmatch = "images.local/**"\nmay = ["push"]\n',
    ],
  ] as const) {
    it(`${what}, is passed by those alone that have the right themselves`, async (t) => {
      const folder = tempFolder(t);
      writeFileSync(join(folder, 'policy.json'), JSON.stringify(requiring(sigstoreBy(key))));
      const gate = `[[gate]]\nname = "signed"\nkind = "signature"\npolicy = "${folder}/policy.json"\nregistries_d = "${folder}"\n`;
      const { proxy } = await startGuarded(t, { access, more: more + gate });
      const anybody = pusher(proxy.url, 'images.local/app');
      for (const blob of image.blobs) await anybody.blob(blob.bytes());
      await anybody.manifest('1', JSON.parse(image.bytes.toString()) as object);
      const statusFor = async (headers: Record<string, string>) =>
        (await get(`${proxy.url}/v2/images.local/app/manifests/1`, { headers })).status;
      assert.deepEqual(
        [
          await statusFor({}),
          await statusFor(basic('bob', passwords.bob)),
          await statusFor(basic('ann', passwords.ann)),
        ],
        [403, 403, 200],
      );
    });
  }
});

describe('hostile signatures', () => {
  it('cost a bounded number of requests and bytes', async (t) => {
    const { get: ask, registry } = await gated(t);
    const payload = cosignPayload(`${registry.host}/app`, image.digest);
    const useless = Array.from({ length: 60 }, (_, at) => cosignLayer(otherKey, Buffer.from(`{"n":${at}}`)));
    putCosign(registry, 'app', image, [...useless, cosignLayer(key, payload)]);
    assert.match(
      refusal(await ask('app', 'manifests/1')).message,
      /of 50 signatures none counts: one is by none/,
    );
    assert.equal(registry.count({ kind: 'blob' }), 50);

    const large = cosignLayer(key, Buffer.concat([payload, Buffer.alloc(200_000, ' ')]));
    putCosign(registry, 'app', index, [large]);
    assert.match(refusal(await ask('app', 'manifests/multi')).message, /it has no signature/);
  });

  it('are not read without end when a client asks for one', async (t) => {
    const { get: ask, registry } = await gated(t);
    const filler = ' '.repeat(1024 * 1024 - 100);
    const layers = Array.from({ length: 5 }, (_, at) =>
      cosignLayer(key, Buffer.from(`{"n":${at}}${filler}`)),
    );
    const statusWith = async (count: number) => {
      const { digest } = putCosign(registry, 'app', image, layers.slice(0, count));
      return (await ask('app', `manifests/${digest}`)).status;
    };
    assert.deepEqual([await statusWith(4), await statusWith(5)], [200, 403]);
  });

  it('are read within the time of the gate when a client asks for one', async (t) => {
    const {
      get: ask,
      signed,
      registry,
      clock,
    } = await gated(t, { toml: `${signatureGate}timeout = "10s"\n` });
    const { digest } = signed();
    registry.on({ kind: 'blob' }, neverAnswer());
    const asked = ask('app', `manifests/${digest}`);
    while (registry.count({ kind: 'blob' }) === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    assert.match(refusal(await asked).message, /no verdict within 10 s/);
  });

  it('are read once for a verdict that counts', async (t) => {
    const toml = `${signatureGate}[freshness]\nmissing = "1s"\n`;
    const { get: ask, registry, clock } = await gated(t, { toml });
    const missing = cosignLayer(key, Buffer.from('{}'));
    const { digest } = putCosign(registry, 'app', image, [missing]);
    registry.on({ kind: 'blob', times: 1 }, status(404));
    for (let request = 0; request < 2; request += 1) {
      refusal(await ask('app', `manifests/${digest}`));
      await clock.advance(2_000);
    }
    assert.equal(registry.count({ kind: 'blob' }), 1);
    await clock.advance(2_000);
    assert.equal((await ask('app', `manifests/${digest}`)).status, 200, 'the layer has come');
  });

  it('end with the time of the gate', async (t) => {
    const toml = `${signatureGate}timeout = "10s"\n`;
    const { get: ask, signed, registry, clock } = await gated(t, { toml });
    signed();
    registry.on({ kind: 'blob' }, neverAnswer());
    const asked = ask('app', 'manifests/1');
    while (registry.count({ kind: 'blob' }) === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    assert.match(refusal(await asked).message, /no verdict within 10 s/);
  });
});

describe('a manifest that clients can read in another way', () => {
  const evidence = { mediaType: 'application/vnd.dsse.envelope.v1+json', digest: image.digest, size: 9 };
  const bare = { mediaType: 'application/vnd.oci.empty.v1+json', digest: image.digest, size: 2 };
  const run = JSON.parse(image.bytes.toString()) as { config: object; layers: object[] };
  const asEvidence = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: bare,
    layers: [evidence],
  };

  async function ask(t: TestContext, manifest: object, mediaType: string) {
    const { get: ask, registry } = await gated(t);
    const bytes = Buffer.from(JSON.stringify(manifest));
    registry.putManifest('app', 'odd', { bytes, mediaType, digest: digestOf(bytes) });
    return [await ask('app', 'manifests/odd'), await ask('app', `manifests/${digestOf(bytes)}`)];
  }

  it('passes as evidence with nothing else in it', async (t) => {
    for (const { status } of await ask(t, asEvidence, mediaTypes.ociManifest)) assert.equal(status, 200);
  });

  it('is refused where a field is there in another case, as Go reads it', async (t) => {
    const odd = [
      { Config: run.config, Layers: run.layers },
      { config: { ...bare, Digest: image.digest }, layers: [evidence] },
      { 'layer\u017f': run.layers },
      { layers: [{ ...evidence, MEDIATYPE: 'application/vnd.oci.image.layer.v1.tar' }] },
    ];
    for (const more of odd) {
      for (const answer of await ask(t, { ...asEvidence, ...more }, mediaTypes.ociManifest))
        assert.match(refusal(answer).message, /"signed" \(a manifest means one thing\): it has a field/);
    }
  });

  it('is refused where a field is there twice, of which Go keeps parts of both', async (t) => {
    const { get: ask, signed, registry } = await gated(t);
    signed(index.images[0]!.digest);
    const text = index.bytes.toString();
    const { manifests } = JSON.parse(text) as { manifests: object[] };
    const inside = manifests.map((one, at) => ({ ...one, data: index.images[at]!.bytes.toString('base64') }));
    const twice = (name: string) => text.replace('"manifests":', `"${name}":${JSON.stringify(inside)},$&`);
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
    for (const odd of [
      twice('manifests'),
      twice('man\\u0069fests'),
      text.replace('"digest":', '"digest":"",$&'),
    ]) {
      const bytes = Buffer.from(odd);
      assert.deepEqual(JSON.parse(odd), JSON.parse(text));
      registry.putManifest('app', 'odd', { bytes, mediaType: index.mediaType, digest: digestOf(bytes) });
      const answer = await ask('app', `manifests/${digestOf(bytes)}`);
      assert.match(refusal(answer).message, /it has a field twice/, odd);
    }
  });

  it('is none for a colon in a text, or one name in two objects', async (t) => {
    const annotations = { 'a:b': '":\\":', '"': '\\', __proto__2: '', ['__proto__']: 'c:d' };
    const told = { ...asEvidence, annotations, layers: [{ ...evidence, annotations }, evidence] };
    for (const { status } of await ask(t, told, mediaTypes.ociManifest)) assert.equal(status, 200);
  });

  it('is refused where an index holds the bytes of what it lists', async (t) => {
    const { get: ask, signed, registry } = await gated(t);
    const [first, second] = index.images;
    signed(first!.digest);
    const parsed = JSON.parse(index.bytes.toString()) as { manifests: object[] };
    const [one, other] = parsed.manifests;
    const inside = { ...other, data: second!.bytes.toString('base64') };
    const bytes = Buffer.from(JSON.stringify({ ...parsed, manifests: [one, inside] }));
    registry.putManifest('app', 'inside', { bytes, mediaType: index.mediaType, digest: digestOf(bytes) });
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
    assert.match(refusal(await ask('app', 'manifests/inside')).message, /holds the bytes of a manifest/);
  });
});

describe('a gate on syncs', () => {
  it('keeps what it refuses from being brought, and leaves clients alone', async (t) => {
    const toml = `${signatureGate}on = ["sync"]\n`;
    const { get: ask, signed, proxy, registry } = await gated(t, { toml });
    signed();
    const block = (tag: string) =>
      `[[sync]]\nname = "s${tag}"\nsource = "${registry.host}/app"\ntags = { include = ["${tag}"] }\n`;
    await proxy.reload({ toml: `${toml}${block('1')}${block('multi')}` });
    const reports = await proxy.app.administration.sync([], {});
    assert.deepEqual(
      reports.map(({ state }) => state),
      ['done', 'partial'],
    );
    assert.match(JSON.stringify(reports[1]), /is refused by the gate|refuses it/);
    assert.equal((await ask('app', 'manifests/multi')).status, 200);
  });
});
