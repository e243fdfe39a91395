/** hosts.toml as containerd reads it (remotes/docker/config/hosts.go): the same places in the same order as Entrepot's own, or a warning. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'toml';
import { loadConfig } from '../../../../src/config/load.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
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

describe('hosts.toml', () => {
  it('gives containerd the endpoints of every reference, or a warning', () => {
    let compared = 0;
    fc.assert(
      fc.property(registriesOf, (registries) => {
        const rendered = render('hosts.toml', { registries, server });
        const places = references.map((reference) => asked(rendered, reference));
        if (rendered.warnings.length > 0) return;
        const expected = endpoints(registries, false);
        for (const [at, reference] of references.entries()) {
          const found = expected[at]!;
          const match = findEntry(registries, referenceName(reference));
          // registries.conf takes `z.io` for `z.io:5000`, too; and a name that a location makes invalid fails the whole pull.
          if (typeof found === 'string' || (match && hostOf(match.entry.prefix) !== reference.registry))
            continue;
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
      }),
      { numRuns: 500 },
    );
    assert.ok(compared > 100, `${compared} were compared`);
  });

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
