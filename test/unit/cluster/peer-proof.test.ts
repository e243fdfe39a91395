import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Peer, peerAt } from '../../../src/cluster/peer.ts';
import { createPeerProof, peerHeader } from '../../../src/cluster/peer-proof.ts';
import { createManualClock } from '../../support/clock.ts';

const members: readonly Peer[] = ['http://e1:5000', 'http://e2:5000', 'http://10.0.0.3:5000'].map(peerAt);
const path = '/v2/library/app/manifests/1?ns=docker.io';
const secret = 'an unguessable secret';

function proofOf(host: string, { key = secret as string | null, clock = createManualClock() } = {}) {
  const refusals: string[] = [];
  const proof = createPeerProof({
    clock,
    secret: key === null ? undefined : () => key,
    self: () => peerAt(`http://${host}`),
    members: () => members,
    onRefused: (reason) => refusals.push(reason),
  });
  return { proof, refusals, clock };
}

function markFor(to: string, from = proofOf('e1:5000').proof): string {
  return from.headersFor({ id: to }, 'GET', path)[peerHeader] ?? '';
}

const request = { method: 'GET', path, certificateNames: [] };

describe('the proof of a peer by a secret', () => {
  it('holds for the request, the receiver and the time that it was made for', () => {
    const { proof, refusals } = proofOf('e2:5000');
    const mark = markFor('e2:5000');
    assert.equal(proof.senderOf({ ...request, mark }), 'e1:5000');
    assert.equal(proof.senderOf({ ...request, mark, method: 'HEAD' }), undefined);
    assert.equal(proof.senderOf({ ...request, mark, path: `${path}x` }), undefined);
    assert.equal(proof.senderOf({ ...request, mark: mark.replace('id=e1', 'id=e3') }), undefined);
    assert.equal(proof.senderOf({ ...request, mark: markFor('e3:5000') }), undefined);
    assert.equal(refusals.length, 4);
  });

  it('ends after five minutes', async () => {
    const { proof, clock } = proofOf('e2:5000');
    const mark = markFor('e2:5000');
    await clock.advance(299_000);
    assert.equal(proof.senderOf({ ...request, mark }), 'e1:5000');
    await clock.advance(2000);
    assert.equal(proof.senderOf({ ...request, mark }), undefined);
  });

  it('is none with another secret, unsigned, or in another form', () => {
    const { proof } = proofOf('e2:5000');
    const wrong = markFor('e2:5000', proofOf('e1:5000', { key: 'another secret of theirs' }).proof);
    const forms = [
      wrong,
      'id=e1:5000; to=e2:5000',
      'yes',
      '',
      `${markFor('e2:5000')}; more`,
      'id=; to=e2:5000',
    ];
    for (const mark of forms) assert.equal(proof.senderOf({ ...request, mark }), undefined, mark);
  });

  it('never holds the secret', () => {
    assert.doesNotMatch(markFor('e2:5000'), /unguessable|secret/);
  });

  it('is none when the secret cannot be read, and that is no error of the request', () => {
    const { proof, refusals } = proofOf('e2:5000');
    const broken = createPeerProof({
      clock: createManualClock(),
      secret: () => {
        throw new Error('the file is empty');
      },
      self: () => peerAt('http://e2:5000'),
      members: () => members,
      onRefused: (reason) => refusals.push(reason),
    });
    assert.equal(broken.senderOf({ ...request, mark: markFor('e2:5000') }), undefined);
    assert.deepEqual(refusals, ['the file is empty']);
    assert.equal(proof.senderOf({ ...request, mark: markFor('e2:5000') }), 'e1:5000');
  });
});

describe('the proof of a peer by a certificate', () => {
  it('is a name or an address of a member, and the mark', () => {
    const { proof } = proofOf('e2:5000', { key: null });
    const mark = markFor('e2:5000', proofOf('e1:5000', { key: null }).proof);
    const named = (...certificateNames: string[]) => proof.senderOf({ ...request, mark, certificateNames });
    assert.equal(named('cn=anything', 'dns=e1'), 'e1:5000');
    assert.equal(named('ip=10.0.0.3'), 'e1:5000');
    assert.equal(named('cn=e1'), undefined);
    assert.equal(named('dns=node-7'), undefined);
    assert.equal(named(), undefined);
  });
});
