/**
 * hosts.toml as containerd reads it (remotes/docker/config/hosts.go), and registries.yaml as k3s does (its documentation, "Private Registry
 * Configuration"): the same places in the same order as Entrepot's own, or a warning.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'toml';
import { parse as parseYamlText } from 'yaml';
import { loadConfig } from '../../../../src/config/load.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
import type { RegistriesConf } from '../../../../src/config/registries-conf/registries.ts';
import { render } from '../../../../src/config/render/render.ts';
import type { Rendered } from '../../../../src/config/render/rendered.ts';
import { parseYaml } from '../../../../src/config/yaml/yaml-document.ts';
import { hostOf, parseReference, type Reference, referenceName } from '../../../../src/oci/reference.ts';
import {
  anyRegistries,
  endpoints,
  references,
  tameRegistries,
} from '../../../support/generated-registries.ts';

interface HostTable {
  readonly capabilities?: readonly string[];
  readonly override_path?: boolean;
}

const surroundings = { env: {}, home: '/nonexistent', uid: 1, cwd: '/nonexistent' };
const { server } = loadConfig({ ...surroundings, flags: {} });
const registriesOf = fc.oneof(anyRegistries, tameRegistries, tameRegistries);

/** URLs that containerd asks for the manifest, in order. */
function asked({ files }: Rendered, { registry, repository, digest }: Reference): readonly string[] {
  const itself = `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`;
  const file = files.find(({ path }) => path === `certs.d/${registry}/hosts.toml`);
  if (!file) return [`${itself}/v2/${repository}`];
  const root = parse(file.text) as HostTable & { server?: string; host?: Record<string, HostTable> };
  assert.ok(Object.keys(root.host ?? {}).length > 0, 'containerd 1.x takes no file without a table');
  const last: HostTable = root.server === undefined ? {} : root;
  return [...Object.entries(root.host ?? {}), [root.server ?? itself, last] as const]
    .filter(([, { capabilities = ['pull', 'resolve'] }]) =>
      (digest === undefined ? ['pull', 'resolve'] : ['pull']).every((one) => capabilities.includes(one)),
    )
    .map(([url, { override_path: isWhole }]) => `${url}${isWhole ? '' : '/v2'}/${repository}`);
}

/** URLs that k3s asks for the manifest, in order: those of registries.yaml, then the registry itself. */
function askedByK3s({ files }: Rendered, { registry, repository }: Reference): readonly string[] {
  const itself = `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}/v2/${repository}`;
  const mirrors = mirrorsOf(files[0]?.text ?? '')[registry];
  const matching = Object.entries(mirrors?.rewrite ?? {}).filter(([from]) =>
    new RegExp(from).test(repository),
  );
  assert.ok(matching.length <= 1, 'of several k3s takes any');
  const [[from, to] = ['$.', '']] = matching;
  const name = repository.replace(new RegExp(from), to.replace(/\$\{1\}/, '$$1'));
  const urls = (mirrors?.endpoint ?? []).map(
    (url) => `${url}${new URL(url).pathname === '/' ? '/v2' : ''}/${name}`,
  );
  return [...urls, itself];
}

interface K3sMirrors {
  readonly endpoint: readonly string[];
  readonly rewrite?: Readonly<Record<string, string>>;
}

function mirrorsOf(text: string): Readonly<Record<string, K3sMirrors>> {
  return (parseYamlText(text) as { mirrors: Readonly<Record<string, K3sMirrors>> }).mirrors;
}

/** Compares what a client asks with what Entrepot asks, where there is no warning. Gives how often. */
function assertSamePlaces(
  registries: RegistriesConf,
  rendered: Rendered,
  asks: (rendered: Rendered, reference: Reference) => readonly string[],
): number {
  const places = references.map((reference) => asks(rendered, reference));
  if (rendered.warnings.length > 0) return 0;
  let compared = 0;
  const expected = endpoints(registries, false);
  for (const [at, reference] of references.entries()) {
    const found = expected[at]!;
    const match = findEntry(registries, referenceName(reference));
    // registries.conf takes `z.io` for `z.io:5000`, too; and a name that a location makes invalid fails the whole pull.
    if (typeof found === 'string' || (match && hostOf(match.entry.prefix) !== reference.registry)) continue;
    const urls = found
      .filter(({ isBlocked }) => !isBlocked)
      .flatMap(({ reference: text, insecure }) => {
        const parsed = parseReference(text);
        assert.ok(parsed.ok);
        const { registry, repository } = parsed.value;
        const place = `://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}/v2/${repository}`;
        return insecure ? [`https${place}`, `http${place}`] : [`https${place}`];
      });
    assert.deepEqual([...new Set(places[at])], [...new Set(urls)], referenceName(reference));
    if (match) compared += 1;
  }
  return compared;
}

for (const [format, client, asks] of [
  ['hosts.toml', 'containerd', asked],
  ['registries.yaml', 'k3s', askedByK3s],
] as const) {
  it(`${format} gives ${client} the endpoints of every reference, or a warning`, () => {
    let compared = 0;
    fc.assert(
      fc.property(registriesOf, (registries) => {
        compared += assertSamePlaces(registries, render(format, { registries, server }), asks);
      }),
      { numRuns: 500 },
    );
    assert.ok(compared > 100, `${compared} were compared`);
  });
}

describe('hosts.toml', () => {
  it('and the other files can be read, whatever is configured', () => {
    fc.assert(
      fc.property(registriesOf, (registries) => {
        const config = { registries, server };
        for (const { path } of render('hosts.toml', config).files)
          assert.match(path, /^certs\.d\/[a-z0-9.:]+\/hosts\.toml$/);
        for (const { text } of render('registries.yaml', config).files)
          assert.equal(parseYaml(text, 'r.yaml').length, 1);
        for (const { text } of render('daemon.json', config).files) JSON.parse(text);
      }),
    );
  });
});
