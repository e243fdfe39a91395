import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ConfigWarning } from '../../../../src/config/config.ts';
import { type AuthLookup, createAuthLookup } from '../../../../src/config/credentials/auth-lookup.ts';
import type { HelperAnswer } from '../../../../src/config/credentials/credential-helper.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

/** Content of the auth files in order; one whose top level has no `auths` is a dockercfg, undefined one that is not there. */
interface Given {
  files?: readonly (object | string | undefined)[];
  helpers?: readonly string[];
  run?: (name: string, server: string) => HelperAnswer;
}

function setUp(t: TestContext, given: Given) {
  const folder = tempFolder(t);
  const asked: string[] = [];
  const warnings: ConfigWarning[] = [];
  const authFiles = (given.files ?? []).map((content, index) => {
    const path = join(folder, `${index}.json`);
    if (content !== undefined)
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    const isModern = typeof content !== 'object' || 'auths' in content || 'credHelpers' in content;
    return { path, format: isModern ? ('auth.json' as const) : ('dockercfg' as const), explicit: false };
  });
  const lookup: AuthLookup = createAuthLookup({
    authFiles,
    credentialHelpers: given.helpers ?? ['containers-auth.json'],
    runHelper: async (name, server) => {
      asked.push(`${name} ${server}`);
      return given.run?.(name, server);
    },
    warn: (warning) => warnings.push(warning),
  });
  /** The password names the entry in these tests. */
  async function password(name: string): Promise<string | undefined> {
    const found = await lookup(name);
    if (!found) return undefined;
    assert.ok(found.kind === 'basic');
    return found.password;
  }
  return { lookup, password, asked, warnings, paths: authFiles.map(({ path }) => path) };
}

function as(password: string) {
  return { auth: Buffer.from(`user:${password}`).toString('base64') };
}

describe('in one auth file', () => {
  const auths = { 'r.corp:5000': as('host'), 'r.corp:5000/a': as('a'), 'r.corp:5000/a/b': as('a/b') };

  for (const [name, expected] of [
    ['r.corp:5000/a/b', 'a/b'],
    ['r.corp:5000/a/b/c', 'a/b'],
    ['r.corp:5000/a/bc', 'a'],
    ['r.corp:5000/a', 'a'],
    ['r.corp:5000/ab', 'host'],
    ['r.corp:5000', 'host'],
    ['r.corp/a/b', undefined],
    ['r.corp:443/a', undefined],
    ['xr.corp:5000/a', undefined],
  ] as const) {
    it(`the longest key that is a parent of ${name} counts: ${expected}`, async (t) => {
      const { password } = setUp(t, { files: [{ auths }] });
      assert.equal(await password(name), expected);
    });
  }

  it('the result says where it comes from', async (t) => {
    const { lookup, paths } = setUp(t, { files: [{ auths }] });
    assert.deepEqual(await lookup('r.corp:5000/a/x'), {
      kind: 'basic',
      username: 'user',
      password: 'a',
      source: { file: paths[0], helper: undefined, key: 'r.corp:5000/a' },
    });
  });

  it('the first key that is there ends the search, even when it is empty', async (t) => {
    const { password } = setUp(t, { files: [{ auths: { 'h.io/a': {}, 'h.io': as('host') } }] });
    assert.equal(await password('h.io/a/b'), undefined);
    assert.equal(await password('h.io/b'), 'host');
  });

  it('an identity token is found beside its auth', async (t) => {
    const { lookup } = setUp(t, { files: [{ auths: { 'h.io': { ...as(''), identitytoken: 'T' } } }] });
    const found = await lookup('h.io/a');
    assert.ok(found?.kind === 'identityToken');
    assert.deepEqual([found.username, found.token], ['user', 'T']);
  });
});

describe('a key that means the same host', () => {
  for (const [key, name] of [
    ['https://index.docker.io/v1/', 'docker.io/library/alpine'],
    ['https://index.docker.io/v1/', 'registry-1.docker.io/library/alpine'],
    ['index.docker.io', 'docker.io/library/alpine'],
    ['registry-1.docker.io', 'docker.io/library/alpine'],
    ['docker.io', 'index.docker.io/library/alpine'],
    ['http://h.io:5000', 'h.io:5000/a'],
    ['https://h.io/v2/', 'h.io/a'],
    ['http://https://h.io/x', 'h.io/a'],
  ] as const) {
    it(`${key} serves ${name}`, async (t) => {
      const { password } = setUp(t, { files: [{ auths: { other: {}, [key]: as('yes') } }] });
      assert.equal(await password(name), 'yes');
    });
  }

  for (const [key, name] of [
    ['h.io/v1/', 'h.io/a'],
    ['index.docker.io/v1/', 'docker.io/library/alpine'],
    ['HTTPS://h.io', 'h.io/a'],
    ['H.io', 'h.io/a'],
    ['https://https://http://h.io', 'h.io/a'],
    ['h.io:443', 'h.io/a'],
  ] as const) {
    it(`${key} does not serve ${name}`, async (t) => {
      const { password } = setUp(t, { files: [{ auths: { [key]: as('no') } }] });
      assert.equal(await password(name), undefined);
    });
  }

  it('counts less than the host itself', async (t) => {
    const { password } = setUp(t, {
      files: [{ auths: { 'https://index.docker.io/v1/': as('url'), 'docker.io': as('host') } }],
    });
    assert.equal(await password('docker.io/library/alpine'), 'host');
  });

  it('in the old dockercfg may have a path without a scheme, and no key there is longer than a host', async (t) => {
    const { password } = setUp(t, { files: [{ 'h.io/v1/': as('legacy'), 'g.io/a': as('g') }] });
    assert.equal(await password('h.io/a'), 'legacy');
    assert.equal(await password('g.io/a'), 'g');
    assert.equal(await password('g.io/b'), 'g');
  });
});

describe('in several auth files', () => {
  it('a short key of an earlier file beats a long one of a later file', async (t) => {
    const { password } = setUp(t, {
      files: [{ auths: { 'h.io': as('short') } }, { auths: { 'h.io/a/b': as('long') } }],
    });
    assert.equal(await password('h.io/a/b'), 'short');
  });

  it('files that are not there, say nothing or have an empty entry are passed over', async (t) => {
    const { password } = setUp(t, {
      files: [
        undefined,
        { auths: {} },
        { auths: { 'h.io': {} } },
        { auths: { 'h.io': { auth: 'Og==' } } },
        { auths: { 'h.io': as('last') } },
      ],
    });
    assert.equal(await password('h.io/a'), 'last');
  });

  it('a broken file ends the search with an error that names it', async (t) => {
    const { lookup, paths } = setUp(t, { files: ['{', { auths: { 'h.io': as('p') } }] });
    await assert.rejects(lookup('h.io/a'), { code: 'CREDENTIALS_UNUSABLE', file: paths[0], line: 1 });
  });

  it('a broken file behind the one that answers does no harm', async (t) => {
    const { password } = setUp(t, { files: [{ auths: { 'h.io': as('p') } }, '{'] });
    assert.equal(await password('h.io/a'), 'p');
  });

  it('bad base64 is an error for its own key only', async (t) => {
    const { lookup, password, paths } = setUp(t, {
      files: [{ auths: { 'h.io': { auth: '!s3cret' }, 'g.io': as('p') } }],
    });
    assert.equal(await password('g.io/a'), 'p');
    await assert.rejects(lookup('h.io/a'), (error: EntrepotError) => {
      assert.equal(error.file, paths[0]);
      assert.match(error.message, /"h\.io".*base64/);
      assert.ok(!error.message.includes('s3cret'));
      return true;
    });
  });
});

describe('credHelpers of an auth file', () => {
  const answer = (_name: string, server: string) => ({ username: 'h', secret: `for ${server}` });

  it('are asked for the host, and beat longer keys of auths', async (t) => {
    const { lookup, asked, paths } = setUp(t, {
      files: [{ credHelpers: { 'h.io': 'store' }, auths: { 'h.io/a': as('p') } }],
      run: answer,
    });
    const source = { file: paths[0], helper: 'store', key: 'h.io' };
    assert.deepEqual(await lookup('h.io/a/b'), {
      kind: 'basic',
      username: 'h',
      password: 'for h.io',
      source,
    });
    assert.deepEqual(asked, ['store h.io']);
  });

  it('that have nothing leave the search to the next file', async (t) => {
    const { password } = setUp(t, {
      files: [
        { credHelpers: { 'h.io': 'store' }, auths: { 'h.io': as('same') } },
        { auths: { 'h.io': as('next') } },
      ],
    });
    assert.equal(await password('h.io/a'), 'next');
  });

  it('never match with a path or a scheme', async (t) => {
    const { asked, password } = setUp(t, {
      files: [{ credHelpers: { 'h.io/a': 'store', 'https://h.io': 'store' }, auths: { 'h.io': as('p') } }],
      run: answer,
    });
    assert.equal(await password('h.io/a'), 'p');
    assert.deepEqual(asked, []);
  });
});

describe('credential helpers of registries.conf', () => {
  const fail = (message: string) => {
    throw new EntrepotError('CREDENTIALS_UNUSABLE', message);
  };

  it('are asked in order, auth files at their place, until one has something', async (t) => {
    const { password, asked } = setUp(t, {
      files: [{ auths: { 'h.io': as('file') } }],
      helpers: ['one', 'containers-auth.json', 'two'],
    });
    assert.equal(await password('h.io/a'), 'file');
    assert.deepEqual(asked, ['one h.io']);
  });

  it('may give an identity token', async (t) => {
    const { lookup } = setUp(t, { helpers: ['one'], run: () => ({ username: '<token>', secret: 'T' }) });
    assert.deepEqual(await lookup('h.io/a'), {
      kind: 'identityToken',
      username: '',
      token: 'T',
      source: { file: undefined, helper: 'one', key: 'h.io' },
    });
  });

  it('with an empty token have nothing', async (t) => {
    const { lookup } = setUp(t, { helpers: ['one'], run: () => ({ username: '<token>', secret: '' }) });
    assert.equal(await lookup('h.io/a'), undefined);
  });

  it('that fail are passed over when another one has something', async (t) => {
    const { password } = setUp(t, {
      files: ['broken', { auths: {} }],
      helpers: ['containers-auth.json', 'bad', 'good'],
      run: (name) => (name === 'bad' ? fail('no bus') : { username: 'u', secret: 'p' }),
    });
    assert.equal(await password('h.io/a'), 'p');
  });

  it('that fail make the look-up fail when nobody has anything, and all failures are told', async (t) => {
    const { lookup, paths } = setUp(t, {
      files: ['broken'],
      helpers: ['containers-auth.json', 'bad', 'none'],
      run: (name) => (name === 'bad' ? fail('no bus') : undefined),
    });
    await assert.rejects(lookup('h.io/a'), (error: EntrepotError) => {
      assert.equal(error.code, 'CREDENTIALS_UNUSABLE');
      assert.ok(error.message.includes(`${paths[0]}:1`) && error.message.includes('no bus'));
      return true;
    });
  });

  it('without the auth files leave these alone', async (t) => {
    const { lookup } = setUp(t, { files: ['broken'], helpers: ['one'] });
    assert.equal(await lookup('h.io/a'), undefined);
  });
});

describe('auth files that change', () => {
  it('are read again, and their flaws are told once per reading', async (t) => {
    const { password, warnings, paths } = setUp(t, {
      files: [{ auths: { 'h.io': as('old'), 'g.io': { auth: Buffer.from('x').toString('base64') } } }],
    });
    assert.equal(await password('h.io/a'), 'old');
    assert.equal(await password('h.io/a'), 'old');
    assert.equal(warnings.length, 1);
    writeFileSync(paths[0]!, JSON.stringify({ auths: { 'h.io': as('rotated') } }));
    assert.equal(await password('h.io/a'), 'rotated');
    assert.equal(warnings.length, 1);
  });

  it('are found when they appear', async (t) => {
    const { password, paths } = setUp(t, { files: [undefined] });
    assert.equal(await password('h.io/a'), undefined);
    writeFileSync(paths[0]!, JSON.stringify({ auths: { 'h.io': as('new') } }));
    assert.equal(await password('h.io/a'), 'new');
  });
});

describe('credsStore', () => {
  const file = { auths: { 'r.corp': {}, 'old.corp': as('old') }, credsStore: 'desktop' };
  const absent = () => {
    throw new EntrepotError('CREDENTIALS_UNUSABLE', 'there is no such program', {
      cause: Object.assign(new Error('x'), { code: 'ENOENT' }),
    });
  };

  it('is asked as Docker does it, for Docker Hub by its old name', async (t) => {
    const { password, asked } = setUp(t, {
      files: [file],
      run: (_, server) => (server === 'old.corp' ? undefined : { username: 'u', secret: `stored ${server}` }),
    });
    assert.equal(await password('r.corp/a/b'), 'stored r.corp');
    assert.equal(await password('docker.io/library/x'), 'stored https://index.docker.io/v1/');
    assert.equal(await password('old.corp/a'), 'old', 'what the store does not have is in auths');
    assert.deepEqual(asked, ['desktop r.corp', 'desktop https://index.docker.io/v1/', 'desktop old.corp']);
  });

  it('gives way to credHelpers', async (t) => {
    const helpers = { credHelpers: { 'r.corp': 'own' } };
    const { asked, password } = setUp(t, { files: [{ ...file, ...helpers }], run: () => undefined });
    await password('r.corp/a');
    assert.deepEqual(asked, ['own r.corp']);
  });

  it('that is not installed is told once, and is otherwise as none', async (t) => {
    const { password, warnings } = setUp(t, { files: [file], run: absent });
    assert.equal(await password('old.corp/a'), 'old');
    assert.equal(await password('r.corp/a'), undefined);
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['credsStore is not used: there is no such program'],
    );
  });

  it('that fails is an error where nothing else has credentials', async (t) => {
    const run = () => {
      throw new EntrepotError('CREDENTIALS_UNUSABLE', 'the keyring is locked');
    };
    const { password } = setUp(t, { files: [file, { auths: { 'x.corp': as('second') } }], run });
    assert.equal(await password('old.corp/a'), 'old');
    assert.equal(await password('x.corp/a'), 'second');
    await assert.rejects(password('r.corp/a'), /the keyring is locked/);
  });
});
