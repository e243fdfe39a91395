/** Any configuration of registries, tame ones, and the references by which two of them are compared. For fast-check. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { byPrefixText } from '../../src/config/registries-conf/entries.ts';
import type {
  MirrorEntry,
  RegistriesConf,
  RegistryEntry,
} from '../../src/config/registries-conf/registries.ts';
import { EntrepotError } from '../../src/errors.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import { createEndpoints } from '../../src/upstream/endpoints.ts';

const others: Omit<RegistriesConf, 'entries'> = {
  unqualifiedSearchRegistries: undefined,
  shortNameMode: 'permissive',
  aliases: new Map(),
  credentialHelpers: ['containers-auth.json'],
  additionalLayerStoreAuthHelper: '',
  files: ['generated'],
};
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
/** Entries of every kind that a reader accepts. */
export const anyRegistries = fc
  .uniqueArray(entry, { maxLength: 5, selector: ({ prefix: text }) => text })
  .map((entries): RegistriesConf => ({ ...others, entries: entries.sort(byPrefixText) }));

/** Without most of what objects of OpenShift do not say. */
export const tameRegistries = anyRegistries.map(
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
/** With a tag, a digest, both and none, for entries of every kind and for none. */
export const references = [
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
export function endpoints(registries: RegistriesConf, insecureDefault: boolean) {
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
