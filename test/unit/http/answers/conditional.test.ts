import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNotModified, rangeApplies } from '../../../../src/http/answers/conditional.ts';
import { sha256 } from '../memory-pull.ts';

const digest = sha256('content');

describe('conditional requests', () => {
  it('are not modified for the same tag, strong or weak, alone, in a list, or for any', () => {
    for (const header of [`"${digest}"`, `W/"${digest}"`, `"a", W/"b" ,"${digest}"`, '*']) {
      assert.equal(isNotModified(header, digest), true, header);
    }
    for (const header of [undefined, '', '"other"', `"${digest}x"`, '"*"', ',,,']) {
      assert.equal(isNotModified(header, digest), false, header);
    }
  });

  it('let a range through for exactly the strong tag', () => {
    assert.equal(rangeApplies(undefined, digest), true);
    assert.equal(rangeApplies(`"${digest}"`, digest), true);
    for (const header of [`W/"${digest}"`, '"other"', 'Wed, 21 Oct 2015 07:28:00 GMT', digest, '']) {
      assert.equal(rangeApplies(header, digest), false, header);
    }
  });
});
