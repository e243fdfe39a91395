import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Digest } from '../../../../src/oci/digest.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { checkManifest } from '../../../../src/upstream/registry/manifests.ts';
import { digestOf } from '../../../support/byte-source.ts';
import { buildImage } from '../../../support/images.ts';

const app = buildImage();
const headers = (more: Record<string, string | undefined> = {}) => ({
  'content-type': app.mediaType,
  ...more,
});

function check(more: Record<string, string | undefined>, asked?: Digest, bytes: Uint8Array = app.bytes) {
  const outcome = checkManifest(bytes, headers(more), asked);
  return outcome.kind === 'ok' ? `ok ${outcome.value.digest}` : `${outcome.kind}: ${outcome.reason}`;
}

describe('believing a manifest', () => {
  it('names it by its own bytes when neither question nor answer has a digest', () => {
    assert.equal(check({}), `ok ${app.digest}`);
    assert.equal(check({ 'docker-content-digest': 'md5:abc' }), `ok ${app.digest}`);
  });

  it('keeps the algorithm of the digest that was asked for, or else told', () => {
    const strong = digestOf(app.bytes, 'sha512');
    assert.equal(check({}, strong), `ok ${strong}`);
    assert.equal(check({ 'docker-content-digest': strong }), `ok ${strong}`);
    assert.equal(check({ 'docker-content-digest': strong }, app.digest), `ok ${app.digest}`);
  });

  it('refuses bytes that are not of the digest asked for, or told', () => {
    const other = digestOf(Buffer.from('other'));
    assert.match(check({}, other), /^invalid: manifest has not the digest/);
    assert.match(check({ 'docker-content-digest': other }), /^invalid: .*that its header tells/);
  });

  it('judges what was asked for by digest by that alone', () => {
    const wrong = digestOf(Buffer.from('x'), 'sha512');
    assert.equal(check({ 'docker-content-digest': wrong }, app.digest), `ok ${app.digest}`);
    assert.equal(check({ 'content-type': mediaTypes.ociIndex }, app.digest), `ok ${app.digest}`);
  });

  it('reads the type without its parameters, and forgives a missing one where the manifest says it', () => {
    assert.equal(check({ 'content-type': `${app.mediaType}; charset=utf-8` }), `ok ${app.digest}`);
    assert.equal(check({ 'content-type': undefined }), `ok ${app.digest}`);
    assert.match(check({ 'content-type': mediaTypes.ociIndex }), /^invalid: manifest says it is/);
    assert.match(check({ 'content-type': 'text/html' }), /^invalid: sent a web page/);
  });

  it('lets a schema 1 manifest bear the digest of its signed part', () => {
    const more = {
      'content-type': mediaTypes.dockerSchema1Signed,
      'docker-content-digest': digestOf(Buffer.from('payload')),
    };
    const bytes = Buffer.from('{"schemaVersion":1}');
    assert.equal(check(more, undefined, bytes), `ok ${digestOf(bytes)}`);
  });
});
