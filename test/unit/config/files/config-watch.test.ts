import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createConfigWatch } from '../../../../src/config/files/config-watch.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

/** A watch over `one` and `two`, files or folders, and what it has told: one text for each change. */
async function watching(t: TestContext) {
  const folder = tempFolder(t);
  const clock = createManualClock();
  const told: string[] = [];
  const state = { isWanted: true, isRefused: false, places: ['one', 'two'], ifRefused: [] as string[] };
  const at = (name: string) => join(folder, name);
  const watch = createConfigWatch({
    clock,
    isWanted: () => state.isWanted,
    isRefused: () => state.isRefused,
  });
  const read = () =>
    watch.read(() => ({ places: state.places.map(at), placesIfRefused: state.ifRefused.map(at) }));
  writeFileSync(at('one'), '1');
  await read();
  watch.start((files) => told.push(files.map((file) => file.slice(folder.length + 1)).join(' ')));
  t.after(() => watch.stop());
  return {
    at,
    told,
    state,
    read,
    watch,
    clock,
    async looks(count: number) {
      for (let look = 0; look < count; look += 1) {
        await clock.advance(2000);
        await clock.armed(2000);
      }
    },
  };
}

describe('a watch over files', () => {
  it('tells nothing while nothing changes', async (t) => {
    const { told, looks } = await watching(t);
    await looks(4);
    assert.deepEqual(told, []);
  });

  it('tells a change when two looks have seen the same, once', async (t) => {
    const { at, told, looks } = await watching(t);
    writeFileSync(at('one'), 'half');
    await looks(1);
    writeFileSync(at('one'), 'half and more');
    await looks(1);
    assert.deepEqual(told, []);
    await looks(1);
    assert.deepEqual(told, ['one']);
    await looks(4);
    assert.deepEqual(told, ['one']);
  });

  it('tells of files that come and go, and of several together', async (t) => {
    const { at, told, looks } = await watching(t);
    writeFileSync(at('two'), '2');
    await looks(2);
    rmSync(at('one'));
    writeFileSync(at('two'), 'two');
    await looks(2);
    assert.deepEqual(told, ['two', 'one two']);
  });

  it('tells nothing of a change that was taken back before the second look', async (t) => {
    const { at, told, looks } = await watching(t);
    writeFileSync(at('two'), '2');
    await looks(1);
    rmSync(at('two'));
    await looks(3);
    assert.deepEqual(told, []);
  });

  it('tells of the *.conf, YAML and JSON in a folder, each by its name, and of nothing else in there', async (t) => {
    const { at, told, looks, read } = await watching(t);
    mkdirSync(at('two'));
    writeFileSync(at('two/a.conf'), 'a');
    await read();
    writeFileSync(at('two/.b.conf.swp'), 'x');
    mkdirSync(at('two/folder.conf'));
    await looks(2);
    assert.deepEqual(told, []);
    writeFileSync(at('two/b.conf'), 'b');
    rmSync(at('two/a.conf'));
    await looks(2);
    assert.deepEqual(told, ['two/a.conf two/b.conf']);
    for (const name of ['c.yaml', 'd.yml', 'e.json', 'f.yaml~']) writeFileSync(at(`two/${name}`), 'x');
    await looks(2);
    const [, last = ''] = told as readonly string[];
    assert.deepEqual(last.split(' ').toSorted(), ['two/c.yaml', 'two/d.yml', 'two/e.json']);
  });

  it('follows links: a folder that is exchanged by its link, as Kubernetes does it, is a change', async (t) => {
    const { at, told, looks, read, state } = await watching(t);
    const then = new Date(2020, 1, 1);
    for (const version of ['v1', 'v2']) {
      mkdirSync(at(version));
      writeFileSync(at(`${version}/tls.crt`), version);
      utimesSync(at(`${version}/tls.crt`), then, then);
    }
    symlinkSync('v1', at('..data'));
    symlinkSync('..data/tls.crt', at('tls.crt'));
    state.places = ['tls.crt'];
    await read();
    symlinkSync('v2', at('..data_tmp'));
    renameSync(at('..data_tmp'), at('..data'));
    await looks(2);
    assert.deepEqual(told, ['tls.crt']);
    unlinkSync(at('..data'));
    await looks(2);
    assert.deepEqual(told, ['tls.crt', 'tls.crt']);
  });

  it('goes by what the last reading says: places of before are no concern any more', async (t) => {
    const { at, told, looks, read, state } = await watching(t);
    state.places = ['two'];
    await read();
    writeFileSync(at('one'), 'other');
    await looks(2);
    assert.deepEqual(told, []);
    writeFileSync(at('two'), '2');
    await looks(2);
    assert.deepEqual(told, ['two']);
  });

  it('does not tell what has been read in the meantime', async (t) => {
    const { at, told, looks, read } = await watching(t);
    writeFileSync(at('one'), 'other');
    await looks(1);
    await read();
    await looks(3);
    assert.deepEqual(told, []);
  });

  it('tells what changes while it is being read', async (t) => {
    const { at, told, looks, watch } = await watching(t);
    await watch.read(() => {
      writeFileSync(at('one'), 'other');
      return { places: [at('one')] };
    });
    await looks(2);
    assert.deepEqual(told, ['one']);
  });

  it('does not look while it is not wanted', async (t) => {
    const { at, told, looks, state } = await watching(t);
    state.isWanted = false;
    writeFileSync(at('one'), 'other');
    await looks(3);
    assert.deepEqual(told, []);
    state.isWanted = true;
    await looks(2);
    assert.deepEqual(told, ['one']);
  });

  it('tells of some places only while the last reading was refused', async (t) => {
    const { at, told, looks, read, state } = await watching(t);
    state.places = ['one'];
    state.ifRefused = ['one', 'two'];
    writeFileSync(at('two'), '2');
    await read();
    writeFileSync(at('two'), 'two');
    await looks(3);
    assert.deepEqual(told, []);
    writeFileSync(at('one'), 'other');
    await looks(2);
    assert.deepEqual(told, ['one'], 'what always counts goes on to count');
    await read();
    state.isRefused = true;
    await looks(3);
    assert.deepEqual(told, ['one'], 'the reading has seen it');
    writeFileSync(at('two'), '2 again');
    await looks(3);
    assert.deepEqual(told, ['one', 'two']);
  });

  it('ends when it is stopped', async (t) => {
    const { watch, clock } = await watching(t);
    watch.stop();
    assert.deepEqual(clock.pending, []);
  });
});
