import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bareMediaType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  manifestAccept,
  mediaTypes,
} from '../../../src/oci/media-types.ts';

describe('media types', () => {
  it('are compared without parameters, blanks and case', () => {
    const written = 'Application/vnd.oci.image.index.v1+JSON ; charset=utf-8';
    assert.equal(bareMediaType(written), mediaTypes.ociIndex);
    assert.equal(bareMediaType(''), '');
  });

  it('of indexes are two, those of schema 1 are two', () => {
    const all = Object.values(mediaTypes);
    assert.deepEqual(all.filter(isIndexType), [mediaTypes.ociIndex, mediaTypes.dockerList]);
    assert.deepEqual(all.filter(isSchema1Type), [mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed]);
  });

  it('are asked for all together, so that the answer does not depend on who asks', () => {
    assert.deepEqual(manifestAccept.toSorted(), Object.values(mediaTypes).toSorted());
    assert.ok(Object.values(mediaTypes).every(isManifestType));
    for (const other of ['text/html', 'application/json', '', '*/*']) assert.ok(!isManifestType(other));
  });
});
