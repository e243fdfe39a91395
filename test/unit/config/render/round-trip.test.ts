/** What is rendered, read again, gives the same endpoints for every reference, unless a warning says what it does not give. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../../../src/config/load.ts';
import { applyPolicies } from '../../../../src/config/policies/apply-policies.ts';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
import type { RegistriesConf } from '../../../../src/config/registries-conf/registries.ts';
import { render } from '../../../../src/config/render/render.ts';
import { referenceName } from '../../../../src/oci/reference.ts';
import {
  anyRegistries,
  endpoints,
  references,
  tameRegistries,
} from '../../../support/generated-registries.ts';
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

describe('registries.conf', () => {
  it('read again gives the same endpoints, unless entries of one location contradict each other', () => {
    let same = 0;
    fc.assert(
      fc.property(anyRegistries, fc.boolean(), (registries, insecure) => {
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
        fc.property(fc.oneof(anyRegistries, tameRegistries, tameRegistries), (registries) => {
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
