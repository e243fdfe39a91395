/** An index that turns out to be damaged on a disk that is full, or fails. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import type { IndexRows } from '../../../../src/cache/index/index-rows.ts';
import { openIndex, setAsideIndex } from '../../../../src/cache/index/open-index.ts';
import {
  createSelfRepairingIndex,
  type Replacement,
} from '../../../../src/cache/index/self-repairing-index.ts';
import { dataFolder } from '../data-folder-fixture.ts';

const said = (code: string) => new SqliteDatabase.SqliteError(code, code);
const damage = said('SQLITE_CORRUPT');

interface Trouble {
  /** What SQLite says when a new file is to be opened, the first times. */
  readonly onOpen?: readonly Error[];
  readonly onClose?: Error;
  /** How often room can be made. */
  readonly room?: number;
}

/** Of the index that is there first, `meta` meets damage. */
function damagedIndex(t: TestContext, { onOpen = [], onClose, room = 0 }: Trouble) {
  const path = join(dataFolder(t), 'index-v1.sqlite');
  const { index: first } = openIndex(path, 0);
  first.setMeta('of', 'the first file');
  const damaged: IndexRows = {
    ...first,
    meta() {
      throw damage;
    },
    close() {
      first.close();
      if (onClose) throw onClose;
    },
  };
  const failures = [...onOpen];
  let left = room;
  const index = createSelfRepairingIndex(
    { index: damaged, setAside: undefined },
    {
      setAside: () => setAsideIndex(path, 0),
      open() {
        const failure = failures.shift();
        if (failure) throw failure;
        return openIndex(path, 0);
      },
      makeRoom: () => left-- > 0,
    },
  );
  t.after(() => index.close());
  const told: Replacement[] = [];
  index.whenReplaced((replacement) => told.push(replacement));
  return { path, index, told };
}

function assertReplaced({ path, index, told }: ReturnType<typeof damagedIndex>): void {
  index.setMeta('of', 'the new file');
  assert.equal(index.meta('of'), 'the new file');
  const [{ setAside } = { setAside: '' }] = told;
  assert.deepEqual(told, [{ setAside, damage }]);
  assert.ok(existsSync(setAside) && setAside !== path);
  const db = new SqliteDatabase(setAside, { readonly: true });
  assert.equal(db.prepare("SELECT value FROM meta WHERE key = 'of'").pluck().get(), 'the first file');
  db.close();
}

test('a file that no new one can replace yet is replaced by a later call', (t) => {
  const full = [said('SQLITE_FULL'), said('SQLITE_IOERR_WRITE')];
  const site = damagedIndex(t, { onOpen: full });
  for (const { message } of full) assert.throws(() => site.index.meta('of'), { message });
  assert.deepEqual(site.told, []);
  assert.equal(site.index.meta('of'), undefined);
  assertReplaced(site);
});

test('room is made for a new file, and the call that met the damage goes on', (t) => {
  const site = damagedIndex(t, { onOpen: [said('SQLITE_FULL')], room: 1 });
  assert.equal(site.index.meta('of'), undefined);
  assertReplaced(site);
});

test('a file that cannot be closed in order is replaced', (t) => {
  for (const code of ['SQLITE_IOERR_WRITE', 'SQLITE_FULL']) {
    const site = damagedIndex(t, { onClose: said(code) });
    assert.equal(site.index.meta('of'), undefined);
    assertReplaced(site);
  }
});

test('files that are set aside in the same second keep their names', (t) => {
  const path = join(dataFolder(t), 'index-v1.sqlite');
  const names = [0, 1].map(() => {
    openIndex(path, 0).index.close();
    return setAsideIndex(path, 0);
  });
  assert.equal(new Set(names).size, 2);
  for (const name of names) assert.ok(existsSync(name));
});
