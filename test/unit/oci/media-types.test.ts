import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bareMediaType,
  isImageConfigType,
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

  it('of configs are those that Docker runs, and not those of artifacts', () => {
    for (const type of [
      'application/vnd.oci.image.config.v1+json',
      'application/vnd.docker.container.image.v1+json',
      'application/octet-stream',
      'application/json',
      'text/html',
      '',
      'Application/Vnd.OCI.image.config.v1+JSON',
      'application/vnd.docker.anything',
      // Go makes an i of it in lower case.
      'appl\u0130cation/json',
    ]) {
      assert.ok(isImageConfigType(type), type);
    }
    for (const type of [
      'application/vnd.oci.empty.v1+json',
      'application/vnd.oci.images.v1+json',
      'application/vnd.unknown.config.v1+json',
      'application/vnd.cncf.notary.signature',
      'application/vnd.cncf.helm.config.v1+json',
      'application/vnd.dev.cosign.artifact.sig.v1+json',
    ]) {
      assert.ok(!isImageConfigType(type), type);
    }
  });

  it('are asked for all together, so that the answer does not depend on who asks', () => {
    assert.deepEqual(manifestAccept.toSorted(), Object.values(mediaTypes).toSorted());
    assert.ok(Object.values(mediaTypes).every(isManifestType));
    for (const other of ['text/html', 'application/json', '', '*/*']) assert.ok(!isManifestType(other));
  });
});
