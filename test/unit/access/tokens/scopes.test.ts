import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseScopes, rightsOf, scopeText } from '../../../../src/access/tokens/scopes.ts';

describe('scopes', () => {
  it('come in several parameters, and several in one', () => {
    const scopes = parseScopes(['repository:a/b:pull', 'repository:c:pull,push  repository:d:*']);
    assert.deepEqual(
      scopes?.map(({ name, actions }) => [name, actions]),
      [
        ['a/b', ['pull']],
        ['c', ['pull', 'push']],
        ['d', ['*']],
      ],
    );
    assert.deepEqual(parseScopes([]), []);
    assert.deepEqual(parseScopes(['', ' ']), []);
  });

  it('may hold a registry with a port, and a class', () => {
    assert.deepEqual(parseScopes(['repository(plugin):reg.corp:5000/a:pull']), [
      { type: 'repository', name: 'reg.corp:5000/a', actions: ['pull'] },
    ]);
  });

  it('of another form are refused as a whole, and so are more than 200', () => {
    for (const text of ['repository', 'repository:', 'repository::pull', ':a:pull', 'repository:a'])
      assert.equal(parseScopes([text]), undefined, text);
    const many = Array.from({ length: 201 }, (_, n) => `repository:a${n}:pull`);
    assert.equal(parseScopes(many), undefined);
    assert.equal(parseScopes(many.slice(1))?.length, 200);
  });

  it('mean rights; an unknown action means none', () => {
    assert.deepEqual(rightsOf('*'), ['pull', 'push', 'delete']);
    assert.deepEqual(rightsOf('administer'), [], 'no token is for administration');
    assert.deepEqual(rightsOf('PULL'), []);
    assert.equal(scopeText('a/b', ['pull', 'push']), 'repository:a/b:pull,push');
  });
});
