/** What is rendered, read again, gives the same endpoints for every reference, unless a warning says what it does not give. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../../../src/config/load.ts';
import { applyPolicies } from '../../../../src/config/policies/apply-policies.ts';
import { byPrefixText } from '../../../../src/config/registries-conf/entries.ts';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
import type {
  MirrorEntry,
  RegistriesConf,
  RegistryEntry,
} from '../../../../src/config/registries-conf/registries.ts';
import { render } from '../../../../src/config/render/render.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { formatReference, parseReference, referenceName } from '../../../../src/oci/reference.ts';
import { createEndpoints } from '../../../../src/upstream/endpoints.ts';
import { objectsOf } from '../../../support/rendered-policies.ts';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-render-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'registries.conf');
writeFileSync(file, '');
const settings = join(folder, 'entrepot.toml');
writeFileSync(settings, '');
const surroundings = { env: {}, home: folder, uid: 1, cwd: folder };
const nothing = loadConfig({ ...surroundings, flags: { registries: file, config: settings } });

function read(text: string): RegistriesConf {
  writeFileSync(file, text);
  return loadRegistries({ registries: file, env: {}, home: folder, uid: 1 }).registries;
}

const origin = { file: 'generated', line: 1 };
const optional = fc.constantFrom(undefined, undefined, true, false);
const prefix = fc.constantFrom(
  ...['a.io', 'a.io/x', 'a.io/x/y', 'b.a.io', '*.a.io', '*.io', 'docker.io', 'docker.io/library'],
  ...['z.io:5000', 'z.io', 'localhost'],
);
const location = fc.constantFrom(
  ...[
    'm.io',
    'm.io/p',
    'n.io:5000',
    'n.io:5000/x',
    'a.io',
    'a.io/x',
    'b.a.io',
    'single',
    'docker.io',
    '"\\\x7f',
  ],
);
const namespaceProxy = fc.constantFrom(undefined, undefined, undefined, 'a.io');
const mirror: fc.Arbitrary<MirrorEntry> = fc
  .record({
    location,
    insecure: optional,
    pullFromMirror: fc.constantFrom('all', 'all', 'digest-only', 'tag-only'),
    namespaceProxy,
  })
  .map(({ namespaceProxy: proxy, ...rest }) => ({
    ...rest,
    ...(proxy && { namespaceProxy: proxy }),
    origin,
  }));
const entry = fc
  .record({
    prefix,
    other: fc.option(location, { freq: 3 }),
    insecure: optional,
    blocked: fc.constantFrom(false, false, true),
    mirrorByDigestOnly: fc.constantFrom(false, false, false, true),
    mirrors: fc.array(mirror, { maxLength: 3 }),
    namespaceProxy,
  })
  .map(
    ({ other, mirrors, namespaceProxy: proxy, ...rest }): RegistryEntry => ({
      ...rest,
      location: other ?? (rest.prefix.startsWith('*.') ? '' : rest.prefix),
      mirrors: mirrors.map((one) => (rest.mirrorByDigestOnly ? { ...one, pullFromMirror: 'all' } : one)),
      ...(proxy && { namespaceProxy: proxy }),
      origin,
    }),
  );
const conf = fc
  .uniqueArray(entry, { maxLength: 5, selector: ({ prefix: text }) => text })
  .map((entries): RegistriesConf => ({ ...nothing.registries, entries: entries.sort(byPrefixText) }));

/** Without most of what objects of OpenShift do not say. */
const tame = conf.map(
  (registries): RegistriesConf => ({
    ...registries,
    entries: registries.entries.map(({ prefix: text, blocked, mirrorByDigestOnly, mirrors }) => ({
      prefix: text,
      location: text.startsWith('*.') ? '' : text,
      insecure: undefined,
      blocked: blocked && mirrors.length > 0,
      mirrorByDigestOnly,
      mirrors: mirrors
        .filter((one) => !one.location.includes('"'))
        .map(({ location: place, pullFromMirror }) => ({
          location: place,
          pullFromMirror,
          insecure: undefined,
          origin,
        })),
      origin,
    })),
  }),
);

const digest = `sha256:${'a'.repeat(64)}`;
const references = [
  'a.io',
  'b.a.io',
  'c.a.io',
  'c.a.io:5000',
  'other.io',
  'docker.io',
  'z.io',
  'z.io:5000',
  'localhost',
]
  .flatMap((registry) => ['x', 'x/y', 'x/y/z', 'library/app', 'xy'].map((path) => `${registry}/${path}`))
  .flatMap((name) => [name, `${name}:1`, `${name}@${digest}`, `${name}:1@${digest}`])
  .map((text) => {
    const parsed = parseReference(text);
    assert.ok(parsed.ok);
    return parsed.value;
  });

/** For each reference: its endpoints, or the code of the error. */
function endpoints(registries: RegistriesConf, insecureDefault: boolean) {
  const endpointsOf = createEndpoints(registries, { insecureDefault });
  return references.map((reference) => {
    try {
      return endpointsOf(reference).map(({ blockedBy, ...endpoint }) => ({
        ...endpoint,
        reference: formatReference(endpoint.reference),
        isBlocked: blockedBy !== undefined,
      }));
    } catch (error) {
      assert.ok(error instanceof EntrepotError && error.code === 'REWRITE_INVALID', String(error));
      return error.code;
    }
  });
}

describe('registries.conf', () => {
  it('read again gives the same endpoints, unless entries of one location contradict each other', () => {
    let same = 0;
    fc.assert(
      fc.property(conf, fc.boolean(), (registries, insecure) => {
        const { server } = nothing;
        const config = { registries, server: { ...server, upstream: { ...server.upstream, insecure } } };
        const { files, warnings } = render('registries.conf', config);
        const again = read(files[0]!.text);
        const before = endpoints(registries, insecure).filter((_, at) => isListed(again, at));
        const now = endpoints(again, false).filter((_, at) => isListed(again, at));
        const contradicts = warnings.some(({ message }) => message.includes('must agree'));
        if (!contradicts) assert.deepEqual(now, before);
        if (!contradicts) same += 1;
        // What is blocked stays blocked, and what is verified stays verified.
        for (const [at, some] of before.entries()) {
          if (typeof some === 'string') continue;
          for (const [place, { isBlocked, insecure: was }] of some.entries()) {
            const found = now[at]?.[place];
            assert.ok(typeof found === 'object' && found.isBlocked >= isBlocked && found.insecure <= was);
          }
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(same > 100, `${same} without a contradiction`);
  });

  it('keeps what is no entry', () => {
    const text = `unqualified-search-registries = ["quay.io", "docker.io"]
short-name-mode = "enforcing"
credential-helpers = ["containers-auth.json", "pass"]
additional-layer-store-auth-helper = "/bin/helper"

[aliases]
"a" = "quay.io/a"
"b/c" = "docker.io/b/c"
`;
    const registries = read(text);
    const rendered = render('registries.conf', { ...nothing, registries });
    assert.deepEqual(rendered.warnings, []);
    const { files: _files, ...keys } = registries;
    const { files: _again, ...again } = read(rendered.files[0]!.text);
    assert.deepEqual(again, keys);
  });
});

/** An unlisted registry is as insecure as `upstream.insecure` says, which no client knows. */
function isListed(registries: RegistriesConf, at: number): boolean {
  return findEntry(registries, referenceName(references[at]!)) !== undefined;
}

describe('objects of OpenShift', () => {
  const lossless = (key: string) => key === 'pull-from-mirror';

  for (const digests of ['idms', 'icsp'] as const) {
    it(`${digests} and itms on an empty registries.conf give the same endpoints, or warn`, () => {
      let compared = 0;
      fc.assert(
        fc.property(fc.oneof(conf, tame, tame), (registries) => {
          const config = { ...nothing, registries };
          const rendered = [render(digests, config), render('itms', config)];
          // One object alone says half; so both together have lost nothing.
          if (rendered.some(({ warnings }) => !warnings.every(({ key }) => lossless(key)))) return;
          const objects = rendered.flatMap(({ files }) => objectsOf(files[0]!.text));
          const again = applyPolicies(read(''), objects).conf;
          const before = usable(registries);
          // A name that a location makes invalid fails the whole pull. There that location is gone.
          const isValid = (_: unknown, at: number) => typeof before[at] !== 'string';
          assert.deepEqual(usable(again).filter(isValid), before.filter(isValid));
          compared += registries.entries.length > 0 ? 1 : 0;
        }),
        { numRuns: 1000 },
      );
      assert.ok(compared > 100, `${compared} were compared`);
    });
  }
});

/** What is asked: a blocked endpoint is not, whatever its name. */
function usable(registries: RegistriesConf) {
  return endpoints(registries, false).map((found) =>
    typeof found === 'string'
      ? found
      : found
          .filter(({ isBlocked }) => !isBlocked)
          .map(({ reference, insecure }) => ({ reference, insecure })),
  );
}
