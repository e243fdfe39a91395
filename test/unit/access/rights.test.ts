import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { anonymous, type Principal } from '../../../src/access/principal.ts';
import { createRights } from '../../../src/access/rights.ts';
import type { AccessRule, Right } from '../../../src/config/config.ts';

const ann: Principal = { kind: 'account', name: 'ann', names: ['ann'] };
const rule = (who: string, match: string, ...may: Right[]): AccessRule => ({
  who: who.split(','),
  match,
  may,
});
const app = 'docker.io/team/app';

function may(rules: AccessRule[], principal: Principal, right: Right, image = app, open: Right[] = []) {
  return createRights({ anonymous: open, rules }).allowance(principal, right, image)?.by;
}

describe('rights', () => {
  it('without rules: every account pulls all, none pushes, and anonymous does what [access] says', () => {
    assert.equal(may([], ann, 'pull'), 'default');
    assert.equal(may([], ann, 'push'), undefined);
    assert.equal(may([], anonymous, 'pull'), undefined);
    assert.equal(may([], anonymous, 'pull', app, ['pull']), 'anonymous');
    assert.equal(may([], ann, 'pull', app, ['pull']), 'anonymous', 'what anonymous may, all may');
  });

  it('with one rule, only what a rule allows; all that match count', () => {
    const rules = [
      rule('bob', '**', 'pull'),
      rule('ann', 'docker.io/team/*', 'pull'),
      rule('ann', '**', 'push'),
    ];
    assert.equal(may(rules, ann, 'pull'), 'rule');
    assert.equal(may(rules, ann, 'push', 'quay.io/x/y'), 'rule');
    assert.equal(may(rules, ann, 'pull', 'docker.io/team/a/b'), undefined, '* stays in one component');
    assert.equal(may(rules, ann, 'delete'), undefined);
    assert.equal(createRights({ anonymous: [], rules }).allowance(ann, 'push', app)?.by, 'rule');
  });

  it('names compare whole, and letters of regular expressions mean themselves', () => {
    for (const who of ['an', 'a.n', 'nn', 'ann|bob', '(ann)', 'Ann'])
      assert.equal(may([rule(who, '**', 'pull')], ann, 'pull'), undefined, who);
    for (const name of ['ann\n', 'ann\nbob', 'xann'])
      assert.equal(
        may([rule('ann', '**', 'pull')], { kind: 'oidc', name, names: [name] }, 'pull'),
        undefined,
      );
    const node: Principal = { kind: 'certificate', name: 'cn=node-7', names: ['cn=node-7', 'dns=n.corp'] };
    assert.equal(may([rule('cn=node-*', '**', 'pull')], node, 'pull'), 'rule');
    assert.equal(may([rule('dns=*.corp', '**', 'pull')], node, 'pull'), 'rule');
  });

  it('"*" stands for every account, and never for a client without one', () => {
    assert.equal(may([rule('*', '**', 'push')], ann, 'push'), 'rule');
    assert.equal(may([rule('*', '**', 'push')], anonymous, 'push'), undefined);
    assert.equal(may([rule('anon*', '**', 'push')], anonymous, 'push'), undefined);
    assert.equal(may([rule('anonymous', '**', 'push')], anonymous, 'push'), 'rule');
    assert.equal(
      may([rule('bob,anonymous', '**', 'push')], ann, 'push'),
      'rule',
      'what anonymous may, all may',
    );
  });

  it('groups match by their own names alone', () => {
    const grouped: Principal = { kind: 'oidc', name: 'u', names: ['u', 'group:platform'] };
    assert.equal(may([rule('group:platform', '**', 'pull')], grouped, 'pull'), 'rule');
    assert.equal(may([rule('platform', '**', 'pull')], grouped, 'pull'), undefined);
  });

  it('a robot has its grants and what rules add, and no default', () => {
    const robot: Principal = {
      kind: 'robot',
      name: 'ci',
      names: ['ci'],
      grants: [{ match: 'docker.io/team/**', form: 'glob', may: ['pull'] }],
    };
    assert.equal(may([], robot, 'pull'), 'grant');
    assert.equal(may([], robot, 'push'), undefined);
    assert.equal(may([], robot, 'pull', 'quay.io/a/b'), undefined);
    assert.equal(may([rule('ci', 'quay.io/**', 'pull')], robot, 'pull', 'quay.io/a/b'), 'rule');
  });

  it('the scope of a token bounds everything, and a name in it is no glob', () => {
    const rights = createRights({ anonymous: ['pull'], rules: [rule('ann', '**', 'push')] });
    const scoped = (match: string, form: 'name' | 'glob' = 'name'): Principal => ({
      ...ann,
      scope: [{ match, form, may: ['push'] }],
    });
    assert.equal(rights.allowance(scoped(app), 'push', app)?.by, 'rule');
    assert.equal(rights.allowance(scoped('docker.io/team/*'), 'push', app), undefined);
    assert.equal(rights.allowance(scoped('docker.io/team/*', 'glob'), 'push', app)?.by, 'rule');
    assert.equal(rights.allowance(scoped(app), 'pull', app), undefined);
    assert.equal(rights.isOutOfScope(scoped(app), 'pull', app), true, 'a wider token would help');
    assert.equal(rights.isOutOfScope(scoped(app), 'delete', app), false, 'no token helps');
    assert.equal(rights.isOutOfScope(ann, 'delete', app), false);
  });

  it('what a token of another server may do, only that server knows', () => {
    const grants = [{ match: app, form: 'name', may: ['pull'] }] as const;
    const issued: Principal = { kind: 'issuer', name: 'u', names: [], grants, scope: grants };
    const rights = createRights({ anonymous: [], rules: [] });
    assert.equal(rights.allowance(issued, 'pull', app)?.by, 'grant');
    assert.equal(rights.allowance(issued, 'pull', 'docker.io/team/b'), undefined);
    assert.equal(rights.isOutOfScope(issued, 'push', app), true);
  });

  it('administer belongs to no image', () => {
    const rights = createRights({ anonymous: [], rules: [rule('ann', 'docker.io/x', 'administer')] });
    assert.equal(rights.allowance(ann, 'administer', undefined)?.by, 'rule');
    assert.equal(rights.allowance(anonymous, 'administer', undefined), undefined);
  });
});
