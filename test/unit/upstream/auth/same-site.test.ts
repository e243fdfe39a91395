import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { areSameSite } from '../../../../src/upstream/auth/same-site.ts';

function check(one: string, other: string, expected: boolean): void {
  assert.equal(areSameSite(one, other), expected, `${one} ${other}`);
  assert.equal(areSameSite(other, one), expected, `${other} ${one}`);
}

describe('names of one site', () => {
  it('share a registrable domain, and are so from both sides', () => {
    for (const [one, other] of [
      ['a.corp.com', 'b.corp.com'],
      ['corp.com', 'b.corp.com'],
      ['CORP.com', 'b.corp.COM'],
      ['corp.com.', 'b.corp.com'],
      ['auth.docker.io', 'registry-1.docker.io'],
      ['gitlab.com', 'registry.gitlab.com'],
      ['auth.corp.co.uk', 'registry.corp.co.uk'],
      // Four letters before a country code look like a suffix, and are none.
      ['auth.corp.de', 'registry.corp.de'],
      ['auth.acme.fr', 'registry.eu.acme.fr'],
      ['auth.hub.corp', 'registry.hub.corp'],
      ['a.mine.github.io', 'b.mine.github.io'],
      ['auth.xn--bcher-kva.de', 'registry.xn--bcher-kva.de'],
    ] as const) {
      check(one, other, true);
    }
  });

  it('do not share a suffix alone', () => {
    for (const [one, other] of [
      ['a.com', 'b.com'],
      ['com', 'com'],
      ['corp.com', 'evilcorp.com'],
      ['corp.com', 'corp.com.evil.net'],
      ['corp.co.uk', 'evil.co.uk'],
      ['a.gouv.fr', 'b.gouv.fr'],
      ['corp.uk.com', 'evil.uk.com'],
      ['reg.com.au', 'evil.com.au'],
      ['a.hasura.app', 'b.hasura.app'],
      ['auth.corp', 'registry.corp'],
    ] as const) {
      check(one, other, false);
    }
  });

  it('are no addresses, and no names of this machine', () => {
    for (const name of ['localhost', 'a.localhost', '10.0.0.1', '[::1]', '[2001:db8::1]', '']) {
      check(name, name, false);
    }
    check('10.0.0.1', '20.0.0.1', false);
  });

  const ownDomains = [
    'amazonaws.com',
    'azurecr.io',
    'b-cdn.net',
    'localtest.me',
    'nip.io',
    'pkg.dev',
    'railway.app',
    'sslip.io',
    'windows.net',
    'azurewebsites.net',
    'googleapis.com',
  ];
  for (const domain of ownDomains) {
    it(`are nothing under ${domain}, however deep`, () => {
      check(`a.${domain}`, `b.${domain}`, false);
      check(`a.x.${domain}`, `b.x.${domain}`, false);
      check(`a.x.y.${domain}`, `b.x.y.${domain}`, false);
      check(domain, `a.${domain}`, false);
      check(`a.${domain}.corp.com`, `b.${domain}.corp.com`, true);
    });
  }

  it('are no two of an owner under the domains of clouds and hosters', () => {
    const names =
      'appspot.com cloudapp.net cloudfront.net codeberg.page ddns.net deno.dev duckdns.org dyndns.org fly.dev github.io ' +
      'githubusercontent.com gitlab.io herokuapp.com netlify.app ngrok.app ngrok.io no-ip.org onrender.com pages.dev surge.sh ' +
      'trycloudflare.com ts.net vercel.app web.app workers.dev ' +
      'westus.azurecontainer.io fra1.digitaloceanspaces.com europe-west1.run.app uc.r.appspot.com eu.ngrok.io';
    for (const domain of names.split(' ')) check(`a.${domain}`, `b.${domain}`, false);
  });
});
