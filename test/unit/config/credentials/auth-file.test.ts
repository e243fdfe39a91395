import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  authFileWarnings,
  parseAuthFile,
  readAuthFile,
} from '../../../../src/config/credentials/auth-file.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const file = { path: '/x/auth.json', format: 'auth.json' } as const;
const base64 = (text: string) => Buffer.from(text).toString('base64');

function entry(fields: unknown) {
  return parseAuthFile(JSON.stringify({ auths: { h: fields } }), file).auths.get('h');
}

describe('an entry of auths', () => {
  it('is a user and a password, which may have colons', () => {
    assert.deepEqual(entry({ auth: base64('user:pa:ss') }), {
      kind: 'basic',
      username: 'user',
      password: 'pa:ss',
    });
  });

  it('is an identity token beside an auth with a colon', () => {
    const token = { kind: 'identityToken', username: 'u', token: 'T' };
    assert.deepEqual(entry({ auth: base64('u:'), identitytoken: 'T' }), token);
    assert.deepEqual(entry({ auth: base64('u'), identitytoken: 'T' }), { kind: 'nothing', noColon: true });
    assert.deepEqual(entry({ identitytoken: 'T' }), { kind: 'nothing', noColon: false });
  });

  it('loses the NULs round its password', () => {
    assert.deepEqual(entry({ auth: base64('u:\0\0p\0q\0') }), {
      kind: 'basic',
      username: 'u',
      password: 'p\0q',
    });
  });

  it('says nothing when it is empty, null, or a lone colon', () => {
    for (const fields of [
      {},
      null,
      { auth: '' },
      { auth: null },
      { auth: base64(':') },
      { username: 'u', password: 'p' },
    ]) {
      assert.deepEqual(entry(fields), { kind: 'nothing', noColon: false });
    }
  });

  it('may have line breaks in its base64 and fields in any case', () => {
    const packed = base64('user:password');
    const broken = `${packed.slice(0, 8)}\r\n${packed.slice(8)}\n`;
    assert.deepEqual(entry({ Auth: broken }), { kind: 'basic', username: 'user', password: 'password' });
  });

  it('keeps letters beyond ASCII', () => {
    assert.deepEqual(entry({ auth: base64('ü:é€') }), { kind: 'basic', username: 'ü', password: 'é€' });
  });

  for (const auth of ['%%%%', 'dTpw=', 'dTpwYQ', 'dTpw ', 'dT-_', '====']) {
    it(`is unusable with ${JSON.stringify(auth)} for base64`, () => {
      assert.equal(entry({ auth })?.kind, 'unusable');
    });
  }

  it('is unusable where the bytes are no UTF-8', () => {
    assert.equal(entry({ auth: Buffer.from([0x75, 0x3a, 0xff]).toString('base64') })?.kind, 'unusable');
  });

  it('gives back any user without a colon and any password', () => {
    const username = fc.string({ unit: 'binary' }).filter((text) => !text.includes(':'));
    const password = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !/^\0|\0$/.test(text));
    fc.assert(
      fc.property(username, password, (user, pass) => {
        assert.deepEqual(entry({ auth: base64(`${user}:${pass}`) }), {
          kind: 'basic',
          username: user,
          password: pass,
        });
      }),
    );
  });
});

describe('an auth file', () => {
  it('is read with CRLF line ends and keys named like parts of every object', () => {
    const text =
      '{\r\n"auths": {\r\n"__proto__": {"auth": "dTpw"},\r\n"constructor": {"auth": "dTpw"}}\r\n}\r\n';
    assert.deepEqual([...parseAuthFile(text, file).auths.keys()], ['__proto__', 'constructor']);
  });

  it('as dockercfg is the map of auths itself, and has no helpers', () => {
    const text = JSON.stringify({ 'https://h/v1/': { auth: 'dTpw' }, credHelpers: {} });
    const read = parseAuthFile(text, { path: '/x', format: 'dockercfg' });
    assert.deepEqual([...read.auths.keys()], ['https://h/v1/', 'credHelpers']);
    assert.equal(read.credHelpers.size, 0);
  });

  it('may say null for anything', () => {
    assert.equal(parseAuthFile('null', file).auths.size, 0);
    assert.equal(parseAuthFile('{"auths": null, "credHelpers": null}', file).credHelpers.size, 0);
  });

  it('that is not JSON is refused with its line and nothing of its content', () => {
    const text = '{\n"auths": {"h": {"auth": "c2VjcmV0OnNlY3JldA=="},}\n}';
    assert.throws(
      () => parseAuthFile(text, file),
      (error: Error & Record<string, unknown>) => {
        assert.deepEqual([error.code, error.file, error.line], ['CREDENTIALS_UNUSABLE', '/x/auth.json', 2]);
        assert.ok(!`${error.stack}${error.cause}`.includes('c2Vj'));
        return true;
      },
    );
  });

  it('that is empty is refused', () => {
    for (const text of ['', ' \n']) assert.throws(() => parseAuthFile(text, file), { message: /empty/ });
  });

  for (const text of [
    '[]',
    '3',
    '"s3cret"',
    '{"auths": []}',
    '{"auths": {"h": "s3cret"}}',
    '{"auths": {"h": {"auth": ["s3cret"]}}}',
    '{"credHelpers": {"h": 3}}',
    '{"credHelpers": "s3cret"}',
    '{"auths": {"h": {"auth": "dTpw", "identitytoken": {"s3cret": 1}}}}',
  ]) {
    it(`of the wrong shape is refused without its values: ${text}`, () => {
      assert.throws(
        () => parseAuthFile(text, file),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'CREDENTIALS_UNUSABLE');
          assert.ok(!error.message.includes('s3cret'));
          return true;
        },
      );
    });
  }

  it('warns of entries that are passed over or unusable, by their keys alone', () => {
    const auths = {
      fine: { auth: 'dTpw' },
      empty: {},
      colon: { auth: base64('s3cret') },
      bad: { auth: 's3cret!' },
    };
    const warnings = authFileWarnings(parseAuthFile(JSON.stringify({ auths }), file), file.path);
    assert.deepEqual(
      warnings.map((warning) => [warning.file, /"(\w+)"/.exec(warning.message)?.[1]]),
      [
        [file.path, 'colon'],
        [file.path, 'bad'],
      ],
    );
    assert.ok(!JSON.stringify(warnings).includes('s3cret'));
  });
});

describe('readAuthFile', () => {
  const none = { auths: new Map(), credHelpers: new Map() };

  it('takes a missing file for an empty one, unless the user named it', (t) => {
    const folder = tempFolder(t);
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
    for (const name of ['none', 'link', 'no/folder/at/all']) {
      const path = join(folder, name);
      assert.deepEqual(readAuthFile({ path, format: 'auth.json', explicit: false }), none);
      assert.throws(() => readAuthFile({ path, format: 'auth.json', explicit: true }), {
        code: 'CREDENTIALS_UNUSABLE',
        file: path,
        message: /REGISTRY_AUTH_FILE/,
      });
    }
  });

  it('refuses a directory and a huge file', (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'dir'));
    writeFileSync(join(folder, 'huge'), ' '.repeat(5_000_000));
    for (const name of ['dir', 'huge']) {
      const path = join(folder, name);
      assert.throws(() => readAuthFile({ path, format: 'auth.json', explicit: false }), {
        code: 'CREDENTIALS_UNUSABLE',
        file: path,
      });
    }
  });

  it("takes one below a folder of root's that may not be entered for none, but reads all that is there", (t) => {
    const folder = tempFolder(t);
    const closed = join(folder, 'containers');
    const path = join(closed, 'auth.json');
    mkdirSync(closed);
    writeFileSync(path, '{"auths": {"h": {"auth": "dTpw"}}}');
    const read = (more: object) =>
      asNobody(() => readAuthFile({ path, format: 'auth.json', explicit: false, ...more }));
    const denied = { code: 'CREDENTIALS_UNUSABLE', file: path, message: /permission denied/ };
    chmodSync(folder, 0o755);
    chmodSync(closed, 0);
    t.after(() => chmodSync(closed, 0o700));
    assert.deepEqual(read({ belowRoots: true }), none);
    assert.throws(() => read({}), denied);
    chmodSync(closed, 0o755);
    assert.equal(read({ belowRoots: true }).auths.size, 1);
    chmodSync(path, 0);
    assert.throws(() => read({ belowRoots: true }), denied);
  });

  it('accepts a byte order mark', (t) => {
    const path = join(tempFolder(t), 'auth.json');
    writeFileSync(path, '\ufeff{"auths": {"h": {"auth": "dTpw"}}}');
    assert.equal(readAuthFile({ path, format: 'auth.json', explicit: false }).auths.size, 1);
  });
});

/** Root may enter and read everything. */
function asNobody<T>(work: () => T): T {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}
