/** Files of objects as `oc get` prints them and as people write them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigWarning } from '../../../../src/config/config.ts';
import { readObjects } from '../../../../src/config/policies/read-objects.ts';
import type { EntrepotError } from '../../../../src/errors.ts';

/** One text for each object, warning and error: `LINE: MESSAGE`. */
function read(text: string) {
  const warnings: ConfigWarning[] = [];
  const errors: EntrepotError[] = [];
  let objects: readonly string[] = [];
  try {
    objects = readObjects(text, 'o.yaml', { warnings, errors }).map(
      ({ kind, name, origin: { line }, ...rest }) => {
        const lists = 'lists' in rest ? rest.lists : [];
        const texts = lists.map(({ source, mirrors, policy }) =>
          [source, ...mirrors, ...(policy ? [policy] : [])]
            .map((one) => `${one.text}:${one.origin.line}`)
            .join(' '),
        );
        return `${line} ${kind} ${name} ${texts.join('; ')}`.trim();
      },
    );
  } catch (error) {
    errors.push(error as EntrepotError);
  }
  return {
    objects,
    warnings: warnings.map(({ line, message }) => `${line}: ${message}`),
    errors: errors.map(({ code, file, line, message }) => {
      assert.deepEqual([code, file], ['CONFIG_INVALID', 'o.yaml']);
      return `${line}: ${message}`;
    }),
  };
}

function objects(text: string): readonly string[] {
  const found = read(text);
  assert.deepEqual([found.errors, found.warnings], [[], []]);
  return found.objects;
}

function assertError(text: string, line: number, message: RegExp): void {
  const { errors } = read(text);
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0] ?? '', message);
  assert.match(errors[0] ?? '', new RegExp(`^${line}: `));
}

function assertWarning(text: string, line: number, message: RegExp): void {
  const { errors, warnings } = read(text);
  assert.deepEqual(errors, []);
  assert.equal(warnings.length, 1, warnings.join('\n'));
  assert.match(warnings[0] ?? '', message);
  assert.match(warnings[0] ?? '', new RegExp(`^${line}: `));
}

const head = (kind = 'ImageDigestMirrorSet', apiVersion = 'config.openshift.io/v1') =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: x\n`;
const digests = `${head()}spec:\n  imageDigestMirrors:\n  - source: a.io\n    mirrors:\n    - m.io\n    - n.io\n`;

describe('a file of objects', () => {
  it('has one object, with the line of each part', () => {
    assert.deepEqual(objects(digests), ['1 ImageDigestMirrorSet x a.io:7 m.io:9 n.io:10']);
  });

  it('has several documents, of which some are empty', () => {
    assert.deepEqual(objects(`# made by hand\n---\n---\n${digests}---\n${digests}...\n---\n# end\n`), [
      '4 ImageDigestMirrorSet x a.io:10 m.io:12 n.io:13',
      '15 ImageDigestMirrorSet x a.io:21 m.io:23 n.io:24',
    ]);
  });

  it('is empty', () => {
    for (const text of ['', '\n', '---\n', '# nothing\n', 'null\n', '~']) assert.deepEqual(objects(text), []);
  });

  it('is JSON, indented with tabs or in one line', () => {
    const object = {
      apiVersion: 'operator.openshift.io/v1alpha1',
      kind: 'ImageContentSourcePolicy',
      metadata: { name: 'x' },
      spec: { repositoryDigestMirrors: [{ source: 'a.io', mirrors: ['m.io', 'm.io'] }] },
    };
    assert.deepEqual(objects(JSON.stringify(object, undefined, '\t')), [
      '1 ImageContentSourcePolicy x a.io:10 m.io:12 m.io:13',
    ]);
    assert.deepEqual(objects(JSON.stringify(object)), ['1 ImageContentSourcePolicy x a.io:1 m.io:1 m.io:1']);
  });

  it('has Windows line ends', () => {
    assert.deepEqual(objects(digests.replaceAll('\n', '\r\n')), [
      '1 ImageDigestMirrorSet x a.io:7 m.io:9 n.io:10',
    ]);
  });

  it('is a list, as `oc get -o yaml` prints it, with what the API adds', () => {
    const text = `apiVersion: v1
items:
- apiVersion: config.openshift.io/v1
  kind: ImageTagMirrorSet
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"config.openshift.io/v1"}
    creationTimestamp: "2026-01-01T00:00:00Z"
    generation: 1
    name: tags
    resourceVersion: "1"
    uid: 0b6a1b0c-0000-0000-0000-000000000000
  spec:
    imageTagMirrors:
    - mirrorSourcePolicy: NeverContactSource
      mirrors:
      - m.io/t
      source: a.io/t
  status: {}
- apiVersion: config.openshift.io/v1
  kind: ImageDigestMirrorSet
  metadata:
    name: digests
  spec: {}
kind: List
metadata:
  resourceVersion: ""
`;
    assert.deepEqual(objects(text), [
      '3 ImageTagMirrorSet tags a.io/t:19 m.io/t:18 NeverContactSource:16',
      '21 ImageDigestMirrorSet digests',
    ]);
  });

  it('is a list of one kind, whose items need not name it', () => {
    const text = `${head('ImageDigestMirrorSetList')}items:\n- metadata:\n    name: y\n  spec: {}\n- ${digests.replaceAll('\n', '\n  ').trimEnd()}\n`;
    assert.deepEqual(objects(text), [
      '6 ImageDigestMirrorSet y',
      '9 ImageDigestMirrorSet x a.io:15 m.io:17 n.io:18',
    ]);
  });

  it('is a list without items, or with none', () => {
    for (const items of ['', 'items: []\n', 'items: null\n']) {
      assert.deepEqual(objects(`apiVersion: v1\nkind: List\n${items}`), []);
    }
  });

  it('has lists in a list', () => {
    const inner = digests.replaceAll('\n', '\n    ').trimEnd();
    const text = `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - ${inner}\n`;
    assert.equal(objects(text).length, 1);
  });

  it('has aliases', () => {
    const text = `${head()}spec:\n  imageDigestMirrors:\n  - source: a.io\n    mirrors: &m\n    - m.io\n  - source: b.io\n    mirrors: *m\n`;
    assert.deepEqual(objects(text), ['1 ImageDigestMirrorSet x a.io:7 m.io:9; b.io:10 m.io:9']);
  });

  it('reports all objects that are wrong', () => {
    const wrong = `${head()}spec: 1\n`;
    assert.deepEqual(read(`${wrong}---\n${digests}---\n${wrong}`).errors, [
      '5: ImageDigestMirrorSet "x": spec must be a map of fields, not a number',
      '22: ImageDigestMirrorSet "x": spec must be a map of fields, not a number',
    ]);
  });
});

describe('fields', () => {
  it('that are null count as absent', () => {
    const text = `${head()}spec:\n  imageDigestMirrors:\n  - source: a.io\n    mirrors: null\n    mirrorSourcePolicy: ~\n`;
    assert.deepEqual(objects(text), ['1 ImageDigestMirrorSet x a.io:7']);
    assert.deepEqual(objects(`${head()}spec:\n  imageDigestMirrors:\nstatus: {}\n`), [
      '1 ImageDigestMirrorSet x',
    ]);
  });

  it('that are unknown are warnings, with the nearest name', () => {
    const text = `${head()}spec:\n  imageDigestMirrors:\n  - source: a.io\n    mirorrs: [m.io]\n`;
    assertWarning(
      text,
      8,
      /ImageDigestMirrorSet "x": the unknown field spec\.imageDigestMirrors\[0\]\.mirorrs has no effect: did you mean "mirrors"\?/,
    );
    assertWarning(`${head()}spec:\n  imageTagMirrors: []\n`, 6, /spec\.imageTagMirrors has no effect/);
    assertWarning(`${head()}spec: {}\nspek: {}\n`, 6, /the unknown field spek has no effect/);
  });

  it('of the newer kinds are unknown to the older one', () => {
    const text = `${head('ImageContentSourcePolicy', 'operator.openshift.io/v1alpha1')}spec:\n  repositoryDigestMirrors:\n  - source: a.io\n    mirrors: [m.io]\n    mirrorSourcePolicy: NeverContactSource\n`;
    assertWarning(text, 9, /mirrorSourcePolicy has no effect/);
  });

  it('a name is not needed', () => {
    assert.deepEqual(objects(digests.replace('metadata:\n  name: x\n', '')), [
      '1 ImageDigestMirrorSet  a.io:5 m.io:7 n.io:8',
    ]);
  });

  for (const [what, text, line, message] of [
    ['no spec', head(), 1, /the object has no spec: write "spec: \{\}"/],
    ['spec: null', `${head()}spec: null\n`, 5, /the object has no spec/],
    [
      'no source',
      `${head()}spec:\n  imageDigestMirrors:\n  - mirrors: [m.io]\n`,
      7,
      /a list of mirrors has no source/,
    ],
    [
      'a number as source',
      digests.replace('a.io', '5'),
      7,
      /imageDigestMirrors\[0\]\.source must be a string, not a number/,
    ],
    [
      'a mirror that is no text',
      digests.replace('- m.io', '- {a: b}'),
      9,
      /mirrors\[0\] must be a string, not a map/,
    ],
    [
      'mirrors that are no list',
      digests.replace('    mirrors:\n    - m.io\n    - n.io', '    mirrors: m.io'),
      8,
      /mirrors must be a list, not a string/,
    ],
    [
      'a list that is a map',
      `${head()}spec:\n  imageDigestMirrors: {}\n`,
      6,
      /spec\.imageDigestMirrors must be a list, not a map/,
    ],
    [
      'a list of texts',
      `${head()}spec:\n  imageDigestMirrors: [a.io]\n`,
      6,
      /imageDigestMirrors\[0\] must be a map of fields, not a string/,
    ],
    [
      'another policy',
      digests.replace('    mirrors', '    mirrorSourcePolicy: Never\n    mirrors'),
      8,
      /must be AllowContactingSource or NeverContactSource, not "Never"/,
    ],
    ['a mirror twice', digests.replace('n.io', 'm.io'), 7, /"m\.io" is there twice, on lines 9 and 10/],
    [
      'a name that is a number',
      digests.replace('name: x', 'name: 5'),
      4,
      /metadata\.name must be a string, not a number/,
    ],
    [
      'metadata that is a text',
      digests.replace('metadata:\n  name: x', 'metadata: x'),
      3,
      /metadata must be a map/,
    ],
  ] as const) {
    it(`${what} is an error`, () => assertError(text, line, message));
  }

  it('a mirror twice is an error for tags, and right in an ImageContentSourcePolicy', () => {
    const tags = digests
      .replace('ImageDigestMirrorSet', 'ImageTagMirrorSet')
      .replace('imageDigest', 'imageTag')
      .replace('n.io', 'm.io');
    assertError(tags, 7, /is there twice/);
    const old = tags
      .replace('imageTag', 'repositoryDigest')
      .replace('ImageTagMirrorSet', 'ImageContentSourcePolicy');
    assert.equal(objects(old.replace('config.openshift.io/v1', 'operator.openshift.io/v1alpha1')).length, 1);
  });

  it('warn of a list that only repeats its source', () => {
    assertWarning(
      digests.replace('    - m.io\n    - n.io', '    - a.io'),
      7,
      /the only mirror of "a\.io" is the source itself/,
    );
  });
});

describe('kinds', () => {
  it('of other things are skipped, with a warning', () => {
    assertWarning(
      `${head('ConfigMap', 'v1')}data:\n  8080: x\n`,
      1,
      /ConfigMap "x" of v1 is skipped: only ImageContentSourcePolicy, /,
    );
    assertWarning(
      `---\n${head('Image', 'image.openshift.io/v1')}`,
      2,
      /Image "x": is skipped: only the Image of config\.openshift\.io\/v1 counts/,
    );
    assertWarning(head('ImageContentPolicy', 'example.com/v1'), 1, /is skipped/);
  });

  it('that are nearly right are skipped, with the right one', () => {
    assertWarning(head('ImageDigestMirrorset'), 1, /is skipped: did you mean ImageDigestMirrorSet\?/);
  });

  for (const [what, text, line, message] of [
    [
      'ImageContentPolicy',
      head('ImageContentPolicy'),
      1,
      /ImageContentPolicy "x": no version of OpenShift puts this kind in force/,
    ],
    [
      'an ImageDigestMirrorSet of the group of the older kind',
      head('ImageDigestMirrorSet', 'operator.openshift.io/v1alpha1'),
      1,
      /the apiVersion must be config\.openshift\.io\/v1, not operator/,
    ],
    [
      'an ImageContentSourcePolicy of the group of the newer kinds',
      head('ImageContentSourcePolicy'),
      1,
      /the apiVersion must be operator\.openshift\.io\/v1alpha1/,
    ],
    [
      'another version of Image',
      head('Image', 'config.openshift.io/v2'),
      1,
      /the apiVersion must be config\.openshift\.io\/v1/,
    ],
    ['no kind', 'apiVersion: v1\n', 1, /the object has no kind/],
    ['no apiVersion', 'kind: ImageDigestMirrorSet\n', 1, /the object has no apiVersion/],
    ['a kind that is no text', 'apiVersion: v1\nkind: [a]\n', 2, /kind must be a string, not a list/],
    [
      'items that are no list',
      'apiVersion: v1\nkind: List\nitems: {}\n',
      3,
      /items must be a list, not a map/,
    ],
    [
      'an item that is no object',
      'apiVersion: v1\nkind: List\nitems:\n- a\n',
      4,
      /must be an object with apiVersion, kind and metadata, not a string/,
    ],
    ['a document that is a list', '- a\n', 1, /must be an object .* not a list/],
    ['a document that is a text', 'just text\n', 1, /must be an object .* not a string/],
  ] as const) {
    it(`${what} is an error`, () => assertError(text, line, message));
  }
});

describe('YAML', () => {
  for (const [what, text, line, message] of [
    ['a tab as indentation', `${head()}spec:\n\timageDigestMirrors: []\n`, 6, /is not valid YAML: .*[Tt]ab/],
    ['a colon too many', 'a: b: c\n', 1, /is not valid YAML/],
    ['an open bracket', 'a: [\n', 2, /is not valid YAML/],
    ['JSON without an end', '{"a": 1', 1, /is not valid YAML/],
    ['two JSON values', '{}{}', 1, /is not valid YAML/],
    ['a key that is there twice', `${head()}spec: {}\nspec: {}\n`, 6, /has the key "spec" twice in one map/],
    ['a merge key', `a: &a {b: c}\n<<: *a\n`, 2, /merge keys \(<<\) are not supported/],
    ['a tag', 'a: !!python/object x\n', 1, /is not valid YAML: Unresolved tag/],
    ['an alias without an anchor', 'a: *none\n', 1, /the alias \*none stands for no anchor before it/],
    ['an alias within itself', 'a: &a [*a]\n', 1, /the alias \*a stands for no anchor before it/],
    ['a key that is a list', '? [a]\n: b\n', 1, /has a key that is no text/],
    ['many levels', `a: ${'['.repeat(100)}${']'.repeat(100)}\n`, 1, /is nested more than 64 levels deep/],
    ['another version of YAML', '%YAML 3.0\n---\na: b\n', 1, /is not valid YAML/],
  ] as const) {
    it(`with ${what} is an error`, () => assertError(text, line, message));
  }

  it('with more levels than the parser can take is an error', () => {
    const { errors } = read('['.repeat(100_000));
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? '', /is not valid YAML|levels deep/);
  });

  it('takes an alias for the last anchor before it, and an anchor for what it stood for where it is', () => {
    const text = `${head()}spec:\n  imageDigestMirrors:\n  - source: a.io\n    mirrors: &l [&m m.io]\n  - source: &m b.io\n    mirrors: *l\n  - source: *m\n    mirrors: [*m]\n`;
    const found = read(text).objects;
    assert.deepEqual(found, ['1 ImageDigestMirrorSet x a.io:7 m.io:8; b.io:9 m.io:8; b.io:11 b.io:12']);
  });

  it('that grows deep by its aliases is an error', () => {
    const levels = Array.from({ length: 40 }, (_, at) => `l${at + 1}: &l${at + 1} [[*l${at}]]`);
    assertError(['l0: &l0 x', ...levels].join('\n'), 33, /is nested more than 64 levels deep/);
  });

  it('that grows by its aliases is an error, before it has grown', () => {
    const levels = Array.from(
      { length: 20 },
      (_, at) => `l${at + 1}: &l${at + 1} [${Array(10).fill(`*l${at}`).join(', ')}]`,
    );
    assertError(['l0: &l0 x', ...levels].join('\n'), 7, /has more than 200000 values/);
  });
});

describe('the Image of a cluster', () => {
  const image = (spec: string) => `${head('Image')}spec:\n${spec}`;

  it('may have other fields', () => {
    const text = image(
      '  allowedRegistriesForImport: [{domainName: a.io}]\n  externalRegistryHostnames: [a]\n  imageStreamImportMode: Legacy\n  additionalTrustedCA:\n    name: ""\n',
    );
    assert.deepEqual(objects(text), ['1 Image x']);
    assert.deepEqual(objects(image('  registrySources: {}\n')), ['1 Image x']);
  });

  it('warns of what has no effect', () => {
    assertWarning(
      image('  additionalTrustedCA:\n    name: ca\n'),
      6,
      /additionalTrustedCA has no effect here/,
    );
    assertWarning(
      image('  registrySources:\n    allowedRegistries: [a.io]\n'),
      7,
      /allowedRegistries has no effect here/,
    );
    assertWarning(
      image('  registrySources:\n    allowdRegistries: [a.io]\n'),
      7,
      /did you mean "allowedRegistries"\?/,
    );
    assertWarning(
      image('  registrySources:\n    blockedRegistries: [a.io/]\n'),
      7,
      /newer versions of OpenShift refuse "a\.io\/"/,
    );
  });

  it('has search registries once each', () => {
    assertError(
      image('  registrySources:\n    containerRuntimeSearchRegistries: [a.io, a.io]\n'),
      6,
      /"a\.io" is there twice/,
    );
  });

  it('has lists of texts', () => {
    assertError(
      image('  registrySources:\n    insecureRegistries: a.io\n'),
      7,
      /spec\.registrySources\.insecureRegistries must be a list/,
    );
    assertError(
      image('  registrySources:\n    blockedRegistries: [5]\n'),
      7,
      /blockedRegistries\[0\] must be a string, not a number/,
    );
  });
});
