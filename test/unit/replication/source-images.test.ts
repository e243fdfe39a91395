import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourceImages } from '../../../src/replication/source-images.ts';

async function* known() {
  for (const image of ['quay.io/team/app', 'quay.io/team/sub/tool', 'quay.io/other', 'docker.io/library/a']) {
    yield { image };
  }
}

async function names(source: string) {
  return (await sourceImages(source, known)).map(({ name }) => name);
}

describe('the repositories of a source', () => {
  it('are the one that it names, normalised as a client would', async () => {
    assert.deepEqual(await names('quay.io/new/app'), ['quay.io/new/app']);
    assert.deepEqual(await names('alpine'), ['docker.io/library/alpine']);
  });

  it('are one for each part of its braces, each once', async () => {
    assert.deepEqual(await names('quay.io/{a,b,a}/x'), ['quay.io/a/x', 'quay.io/b/x']);
  });

  it('are those known here that match its glob', async () => {
    assert.deepEqual(await names('quay.io/team/*'), ['quay.io/team/app']);
    assert.deepEqual(await names('quay.io/team/**'), ['quay.io/team/app', 'quay.io/team/sub/tool']);
    assert.deepEqual(await names('quay.io/{team/*,new}'), ['quay.io/new', 'quay.io/team/app']);
    assert.deepEqual(await names('ghcr.io/**'), []);
  });

  it('are looked up here only for a glob', async () => {
    const never = () => assert.fail('the images known here were read');
    assert.equal((await sourceImages('quay.io/team/app', never)).length, 1);
  });
});
