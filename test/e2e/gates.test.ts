/**
 * skopeo and a gate read the same policy.json, the same registries.d and the same signatures, made by gpg, and come to the same
 * verdict. Debian's skopeo has no sigstore, so this is about GPG.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createManualClock } from '../support/clock.ts';
import { buildImage } from '../support/images.ts';
import { run as runToEnd } from '../support/processes.ts';
import { requiring, signatureGate, startGated } from '../support/signing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { hasPrograms } from './support/equipment.ts';
import { run } from './support/programs.ts';

const image = buildImage();
const minute = 60_000;

interface Signer {
  readonly fingerprint: string;
  /** The public key, not armored, in base64. */
  readonly data: string;
}

/** Keys and the references that they sign, or the bytes of a file. */
type Signatures = readonly (readonly [Signer, string] | Buffer)[];

/** A home of gpg with two keys. */
async function openKeys(t: TestContext) {
  const home = tempFolder(t);
  const env = { GNUPGHOME: home, HOME: home };
  t.after(() => run('gpgconf', ['--kill', 'all'], env));
  const make = async (name: string): Promise<Signer> => {
    const batch = ['--batch', '--passphrase', '', '--quick-generate-key', name, 'rsa2048', 'sign', 'never'];
    await run('gpg', batch, env);
    const listed = await run('gpg', ['--batch', '--with-colons', '--list-keys', name], env);
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '';
    const file = join(home, `${name}.pub`);
    await run('gpg', ['--batch', '--output', file, '--export', fingerprint], env);
    return { fingerprint, data: (await runToEnd('base64', ['-w0', file])).stdout };
  };
  return { env, first: await make('first'), second: await make('second') };
}

async function world(t: TestContext) {
  const keys = await openKeys(t);
  const gated = await startGated(t, {
    clock: createManualClock(Date.now() + 2 * minute),
    // The next case has other signatures under the same policy.
    toml: `${signatureGate}keep = "1s"\n`,
    policy: () => requiring({ type: 'reject' }),
    registriesD: (_, folder) => `default-docker:\n  lookaside: ${pathToFileURL(join(folder, 'sigs'))}\n`,
  });
  const { registry, folder, proxy, clock, writePolicy } = gated;
  registry.putImage('team/app', '1', image);
  writeFileSync(join(folder, 'manifest.json'), image.bytes);
  const sigs = join(folder, 'sigs', `team/app@${image.digest.replace(':', '=')}`);

  /** Signatures instead of those that are there. */
  async function sign(wanted: Signatures): Promise<void> {
    rmSync(sigs, { recursive: true, force: true });
    mkdirSync(sigs, { recursive: true });
    for (const [at, one] of wanted.entries()) {
      const file = join(sigs, `signature-${at + 1}`);
      if (Buffer.isBuffer(one)) writeFileSync(file, one);
      else {
        const [{ fingerprint }, reference] = one;
        const args = ['--output', file, join(folder, 'manifest.json'), reference, fingerprint];
        await run('skopeo', ['standalone-sign', ...args], keys.env);
      }
    }
  }

  /** Whether each of the two answers the image. */
  async function verdicts(policy: unknown, what: string): Promise<readonly [skopeo: boolean, gate: boolean]> {
    writePolicy(policy);
    await clock.advance(2 * minute);
    await proxy.reload({});
    const target = tempFolder(t);
    const [separator, reference] = what.startsWith('sha256:') ? ['@', what] : [':', what];
    const copied = await runToEnd('skopeo', [
      ...['--policy', join(folder, 'policy.json'), '--registries.d', join(folder, 'registries.d'), 'copy'],
      ...[
        '--src-tls-verify=false',
        `docker://${registry.host}/team/app${separator}${reference}`,
        `dir:${target}`,
      ],
    ]);
    const answer = await gated.get('team/app', `manifests/${what}`);
    assert.ok(answer.status === 200 || answer.status === 403, answer.body.toString());
    return [copied.code === 0, answer.status === 200];
  }

  return { ...gated, ...keys, sign, verdicts, name: `${registry.host}/team/app` };
}

describe('skopeo and a signature gate agree', () => {
  it('on GPG signatures, identities and scopes', async (t) => {
    if (!hasPrograms(t, ['skopeo', 'gpg', 'gpgconf'])) return;
    const { first, second, name, registry, sign, verdicts } = await world(t);
    const signedBy = (key: Signer, signedIdentity?: object) => ({
      ...{ type: 'signedBy', keyType: 'GPGKeys', keyData: key.data },
      ...(signedIdentity && { signedIdentity }),
    });
    const accept = { type: 'insecureAcceptAnything' };
    const reject = { type: 'reject' };
    const scopes = (docker: object) => ({ default: [reject], transports: { docker } });
    const by = requiring(signedBy(first));
    const identity = (value: object) => requiring(signedBy(first, value));
    const mine = [first, `${name}:1`] as const;
    const old = [first, `${name}:0`] as const;
    const elsewhere = [first, `${registry.host}/prod/app:1`] as const;
    const { digest } = image;

    const cases: readonly (readonly [
      says: string,
      signatures: Signatures,
      policy: unknown,
      what: string,
      expected: boolean,
    ])[] = [
      ['anything goes', [], requiring(accept), '1', true],
      ['all is rejected', [mine], requiring(reject), '1', false],
      ['unsigned', [], by, '1', false],
      ['signed', [mine], by, '1', true],
      ['signed, by digest', [mine], by, digest, true],
      ['signed by another key', [[second, `${name}:1`]], by, '1', false],
      ['signed by another key, then by ours', [[second, `${name}:1`], mine], by, '1', true],
      ['signed for another tag', [old], by, '1', false],
      ['signed for another tag, by digest', [old], by, digest, true],
      ['signed for another tag, matchRepository', [old], identity({ type: 'matchRepository' }), '1', true],
      ['signed for another tag, matchExact', [old], identity({ type: 'matchExact' }), '1', false],
      ['by digest, matchExact', [mine], identity({ type: 'matchExact' }), digest, false],
      ['signed for another repository', [elsewhere], identity({ type: 'matchRepository' }), '1', false],
      [
        'exactReference',
        [elsewhere],
        identity({ type: 'exactReference', dockerReference: `${registry.host}/prod/app:1` }),
        '1',
        true,
      ],
      [
        'exactRepository of another one',
        [mine],
        identity({ type: 'exactRepository', dockerRepository: `${registry.host}/prod/app` }),
        '1',
        false,
      ],
      [
        'remapIdentity',
        [elsewhere],
        identity({
          type: 'remapIdentity',
          prefix: `${registry.host}/team`,
          signedPrefix: `${registry.host}/prod`,
        }),
        '1',
        true,
      ],
      ['two requirements, one met', [mine], requiring(signedBy(first), signedBy(second)), '1', false],
      [
        'two requirements, both met',
        [mine, [second, `${name}:1`]],
        requiring(signedBy(first), signedBy(second)),
        '1',
        true,
      ],
      ['no signature at all in the file', [Buffer.from('nonsense'), mine], by, '1', false],
      ['a scope of the registry', [], scopes({ [registry.host]: [accept] }), '1', true],
      [
        'a namespace before the registry',
        [],
        scopes({ [registry.host]: [accept], [`${registry.host}/team`]: [reject] }),
        '1',
        false,
      ],
      ['a tag before its repository', [], scopes({ [name]: [reject], [`${name}:1`]: [accept] }), '1', true],
      [
        'the tag of a scope, by digest',
        [],
        scopes({ [name]: [reject], [`${name}:1`]: [accept] }),
        digest,
        false,
      ],
      ['a domain', [], scopes({ '*.0.0.1': [accept] }), '1', true],
      ['the scope of the transport', [], scopes({ '': [accept] }), '1', true],
      [
        'a scope of another transport',
        [],
        { default: [reject], transports: { dir: { '': [accept] } } },
        '1',
        false,
      ],
    ];
    const differing: string[] = [];
    for (const [says, signatures, policy, what, expected] of cases) {
      await sign(signatures);
      const [skopeo, gate] = await verdicts(policy, what);
      if (skopeo !== expected || gate !== expected)
        differing.push(`${says}: expected ${expected}, skopeo ${skopeo}, gate ${gate}`);
    }
    assert.deepEqual(differing, []);
  });
});
