/** Whose signatures count: GPG keys, keys whose signatures are in Rekor's log, and identities that Fulcio vouches for. */
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as openpgp from 'openpgp';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { blobOf, digestOf } from '../support/byte-source.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import { json } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import {
  type CosignLayer,
  cosignLayer,
  cosignPayload,
  createSigningKey,
  putCosign,
  requiring,
  type SigningKey,
  signatureGate,
  sigstoreBy,
  startGated,
} from '../support/signing.ts';

const image = buildImage();
const key = createSigningKey();
const rekor = createSigningKey();
const second = 1000;
const email = 'dev@corp.example';
const oidcIssuer = 'https://login.corp.example';
const matchRepository = { signedIdentity: { type: 'matchRepository' } };

/** What the gate says: undefined for an accepted image. */
async function reasonFor(
  ask: (repository: string, path: string) => Promise<{ status: number; body: Buffer; headers: object }>,
) {
  const answer = await ask('app', 'manifests/1');
  if (answer.status === 200) return undefined;
  assert.equal(answer.status, 403, answer.body.toString());
  const [error] = (json(answer as never) as { errors: { message: string }[] }).errors;
  return error!.message.replace(/^.*default\[0\]\): /, '').replace('of 1 signatures none counts: one ', '');
}

async function gpgKey() {
  return openpgp.generateKey({
    userIDs: [{ name: 'dev' }],
    date: new Date(Date.now() - 60 * second),
    format: 'object',
  });
}

async function signedBy(privateKey: openpgp.PrivateKey, payload: unknown): Promise<Uint8Array> {
  const message = await openpgp.createMessage({ binary: Buffer.from(JSON.stringify(payload)) });
  const date = new Date(Date.now() - 30 * second);
  return openpgp.sign({ message, signingKeys: privateKey, format: 'binary', date });
}

function simplePayload(reference: string, digest: string, type = 'atomic container signature') {
  return {
    critical: {
      type,
      image: { 'docker-manifest-digest': digest },
      identity: { 'docker-reference': reference },
    },
    optional: { creator: 'test', timestamp: 1 },
  };
}

describe('a simple signature by GPG', () => {
  async function world(t: TestContext, keys: openpgp.PublicKey[]) {
    const data = Buffer.concat(keys.map((one) => one.write())).toString('base64');
    const gated = await startGated(t, {
      clock: createManualClock(Date.now()),
      policy: () => requiring({ type: 'signedBy', keyType: 'GPGKeys', keyData: data }),
      registriesD: (_, folder) => `default-docker:\n  lookaside: ${pathToFileURL(join(folder, 'sigs'))}\n`,
    });
    const { registry, folder, clock } = gated;
    registry.putImage('app', '1', image);
    const put = (number: number, bytes: Uint8Array) => {
      const file = join(folder, 'sigs', `app@${image.digest.replace(':', '=')}`, `signature-${number}`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    };
    const reason = async () => {
      await clock.advance(60_000);
      return reasonFor(gated.get);
    };
    return { ...gated, put, reason, name: `${registry.host}/app:1` };
  }

  it('counts by a key of the policy, for the reference that was asked for', async (t) => {
    const [mine, other] = [await gpgKey(), await gpgKey()];
    const { put, reason, name } = await world(t, [mine.publicKey]);
    assert.equal(await reason(), 'it has no signature');
    put(1, await signedBy(other.privateKey, simplePayload(name, image.digest)));
    assert.match((await reason())!, /^is by the unknown key [0-9a-f]{16}$/);
    put(1, await signedBy(mine.privateKey, simplePayload(`${name}.2`, image.digest)));
    assert.match((await reason())!, /which signedIdentity matchRepoDigestOrExact does not accept/);
    put(1, await signedBy(mine.privateKey, simplePayload(name, `sha256:${'0'.repeat(64)}`)));
    assert.match((await reason())!, /^is for the digest sha256:0000/);
    put(
      1,
      await signedBy(mine.privateKey, simplePayload(name, image.digest, 'cosign container image signature')),
    );
    assert.equal(await reason(), 'its payload is not of type "atomic container signature"');
    put(2, await signedBy(mine.privateKey, simplePayload(name, image.digest)));
    assert.equal(await reason(), undefined);
  });

  it('does not count where one beside it cannot be read, or it was altered', async (t) => {
    const mine = await gpgKey();
    const { put, reason, name } = await world(t, [mine.publicKey]);
    const good = await signedBy(mine.privateKey, simplePayload(name, image.digest));
    put(1, Buffer.from('what is this'));
    put(2, good);
    assert.equal(await reason(), 'a signature has no known format');
    const altered = Buffer.from(good);
    altered[altered.length - 3]! ^= 1;
    put(1, altered);
    put(2, altered);
    assert.match((await reason())!, /^of 2 signatures none counts: one is (?:not valid|no OpenPGP message)/);
  });

  it('is found at a server, which is asked again once the verdict is old', async (t) => {
    const mine = await gpgKey();
    const { publicKey, privateKey } = mine;
    const { registry, get, clock } = await startGated(t, {
      clock: createManualClock(Date.now()),
      policy: () =>
        requiring({
          type: 'signedBy',
          keyType: 'GPGKeys',
          keyData: Buffer.from(publicKey.write()).toString('base64'),
        }),
      registriesD: (host) => `docker:\n  ${host.host}:\n    lookaside: ${host.url}/sigs\n`,
    });
    registry.putImage('app', '1', image);
    const path = `/sigs/app@${image.digest.replace(':', '=')}/signature-1`;
    registry.putFile(path, await signedBy(privateKey, simplePayload(`${registry.host}/app:1`, image.digest)));
    const gone = `/sigs/app@${image.digest.replace(':', '=')}/signature-2`;
    assert.equal(await reasonFor(get), undefined);
    assert.equal(registry.requests.filter((request) => request.path === gone).length, 1);
    await clock.advance(2 * 3_600_000);
    assert.equal(await reasonFor(get), undefined);
  });
});

/** An entry of Rekor's log for a signature, as cosign keeps it beside it. */
function logged(
  layer: CosignLayer,
  signer: string,
  log: SigningKey,
  at = Math.floor(Date.now() / 1000),
): CosignLayer {
  const content = layer.annotations['dev.cosignproject.cosign/signature']!;
  const value = createHash('sha256').update(layer.payload).digest('hex');
  const record = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value } },
      signature: { content, publicKey: { content: Buffer.from(signer).toString('base64') } },
    },
  };
  const body = Buffer.from(JSON.stringify(record)).toString('base64');
  const der = createPublicKey(log.publicKey).export({ type: 'spki', format: 'der' });
  const logID = createHash('sha256').update(der).digest('hex');
  // Keys in the order of RFC 8785.
  const payload = { body, integratedTime: at, logID, logIndex: 7 };
  const set = sign('sha256', Buffer.from(JSON.stringify(payload)), log.privateKey).toString('base64');
  const entry = JSON.stringify({ SignedEntryTimestamp: set, Payload: payload });
  return { ...layer, annotations: { ...layer.annotations, 'dev.sigstore.cosign/bundle': entry } };
}

describe('a sigstore signature', () => {
  async function world(t: TestContext, requirement: object, toml?: string) {
    const gated = await startGated(t, { policy: () => requiring(requirement), ...(toml && { toml }) });
    const { registry, clock } = gated;
    registry.putImage('app', '1', image);
    const reason = async (...layers: CosignLayer[]) => {
      if (layers.length > 0) putCosign(registry, 'app', image, layers);
      await clock.advance(120_000);
      return reasonFor(gated.get);
    };
    return { ...gated, reason, payload: cosignPayload(`${registry.host}/app`, image.digest) };
  }

  it('has to be in the log where the policy has a key of Rekor', async (t) => {
    const { reason, payload } = await world(t, sigstoreBy(key, { rekorPublicKeyData: rekor.data }));
    const plain = cosignLayer(key, payload);
    assert.equal(await reason(plain), 'has no usable annotation dev.sigstore.cosign/bundle');
    assert.match((await reason(logged(plain, key.publicKey, createSigningKey())))!, /inclusion promise/);
    const foreign = logged(cosignLayer(key, Buffer.from('{"other":1}')), key.publicKey, rekor);
    const mixed = { ...plain, annotations: { ...foreign.annotations, ...plain.annotations } };
    assert.match((await reason(mixed))!, /mismatch/);
    const byOther = createSigningKey();
    assert.match((await reason(logged(cosignLayer(byOther, payload), key.publicKey, rekor)))!, /signature/);
    assert.equal(await reason(logged(plain, key.publicKey, rekor)), undefined);
  });

  it('counts by a certificate of Fulcio for the address and its issuer', async (t) => {
    const root = createCertificateAuthority('root');
    const stranger = createCertificateAuthority('stranger');
    const fulcio = { caData: Buffer.from(root.cert).toString('base64'), oidcIssuer, subjectEmail: email };
    const { reason, payload } = await world(t, {
      type: 'sigstoreSigned',
      fulcio,
      rekorPublicKeyData: rekor.data,
      ...matchRepository,
    });
    const by = (
      authority: typeof root,
      signer: { email: string; issuer: string },
      chain?: string,
      at?: number,
    ) => {
      const issued = authority.issue({ signer });
      const privateKey = createPrivateKey(issued.key);
      const layer = cosignLayer({ ...key, privateKey }, payload);
      const annotations = {
        ...layer.annotations,
        'dev.sigstore.cosign/certificate': issued.cert,
        ...(chain !== undefined && { 'dev.sigstore.cosign/chain': chain }),
      };
      return logged({ payload, annotations }, issued.cert, rekor, at);
    };
    const signer = { email, issuer: oidcIssuer };
    assert.match((await reason(by(stranger, signer)))!, /no valid certificate path|certificate/);
    assert.match((await reason(by(stranger, signer, stranger.cert)))!, /certificate/);
    assert.equal(
      await reason(by(root, { ...signer, email: 'other@corp.example' })),
      `has a certificate that is not of ${email}`,
    );
    assert.match((await reason(by(root, { ...signer, issuer: 'https://elsewhere' })))!, /issuer/);
    assert.match((await reason(by(root, signer, undefined, 1_000_000)))!, /certificate/);
    assert.equal(await reason(by(root, signer)), undefined);
  });

  it('takes each address of a certificate as one name, whatever it holds', async (t) => {
    const root = createCertificateAuthority('root');
    const caData = Buffer.from(root.cert).toString('base64');
    const comma = '"dev, ops"@corp.example';
    for (const [wanted, named, isAccepted] of [
      [email, `a, email:${email}, b`, false],
      [email, `"a", email:${email}, "b`, false],
      [comma, comma, true],
    ] as const) {
      const { reason, payload } = await world(t, {
        type: 'sigstoreSigned',
        fulcio: { caData, oidcIssuer, subjectEmail: wanted },
        rekorPublicKeyData: rekor.data,
        ...matchRepository,
      });
      const issued = root.issue({ signer: { email: named, issuer: oidcIssuer } });
      const layer = cosignLayer({ ...key, privateKey: createPrivateKey(issued.key) }, payload);
      const annotations = { ...layer.annotations, 'dev.sigstore.cosign/certificate': issued.cert };
      const said = await reason(logged({ payload, annotations }, issued.cert, rekor));
      assert.equal(said, isAccepted ? undefined : `has a certificate that is not of ${wanted}`, named);
    }
  });

  it('counts by a certificate with one between it and the root', async (t) => {
    const root = createCertificateAuthority('root');
    const between = root.subordinate('between');
    const fulcio = { caData: Buffer.from(root.cert).toString('base64'), oidcIssuer, subjectEmail: email };
    const requirement = {
      type: 'sigstoreSigned',
      fulcio,
      rekorPublicKeyData: rekor.data,
      ...matchRepository,
    };
    const { reason, payload } = await world(t, requirement);
    const issued = between.issue({ signer: { email, issuer: oidcIssuer } });
    const layer = cosignLayer({ ...key, privateKey: createPrivateKey(issued.key) }, payload);
    const annotations = { ...layer.annotations, 'dev.sigstore.cosign/certificate': issued.cert };
    const without = logged({ payload, annotations }, issued.cert, rekor);
    assert.match((await reason(without))!, /certificate/);
    const chain = { 'dev.sigstore.cosign/chain': `${between.cert}${root.cert}` };
    assert.equal(await reason({ ...without, annotations: { ...without.annotations, ...chain } }), undefined);
  });

  it('may be a bundle of cosign 3, where the gate says that bundles count', async (t) => {
    const { registry, clock, reason, proxy } = await world(t, sigstoreBy(key));
    putBundle(registry, statement(image.digest));
    assert.equal(await reason(), 'it has no signature');
    await proxy.reload({ toml: `${signatureGate}bundles = true\n` });
    await clock.advance(120_000);
    assert.equal(await reason(), undefined);
  });

  it('is no bundle about something else, by another key, or of another kind', async (t) => {
    const { registry, reason } = await world(t, sigstoreBy(key), `${signatureGate}bundles = true\n`);
    putBundle(registry, statement(`sha256:${'0'.repeat(64)}`));
    assert.equal(await reason(), 'is a bundle about something else');
    putBundle(registry, statement(image.digest), createSigningKey());
    putBundle(registry, { ...statement(image.digest), predicateType: 'https://slsa.dev/provenance/v1' });
    assert.match((await reason())!, /^of 3 signatures none counts: one /);
  });
});

function statement(digest: string): object {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digest.replace('sha256:', '') } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  };
}

/** As cosign 3 attaches it: a referrer with one layer, a DSSE envelope in a bundle. */
function putBundle(registry: FakeRegistry, signed: object, by = key): void {
  const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const payloadType = 'application/vnd.in-toto+json';
  const payload = Buffer.from(JSON.stringify(signed));
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `),
    payload,
  ]);
  const bundle = {
    mediaType: type,
    verificationMaterial: { publicKey: { hint: 'any' }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType,
      signatures: [{ sig: sign('sha256', encoded, by.privateKey).toString('base64'), keyid: '' }],
    },
  };
  const layer = blobOf(JSON.stringify(bundle));
  const config = blobOf('{}');
  for (const blob of [layer, config]) registry.putBlob(blob);
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: type,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config.digest, size: config.size },
    layers: [{ mediaType: type, digest: layer.digest, size: layer.size }],
    subject: { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length },
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  registry.putManifest('app', undefined, {
    bytes,
    mediaType: mediaTypes.ociManifest,
    digest: digestOf(bytes),
  });
}
