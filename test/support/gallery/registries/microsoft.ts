import type { Personality } from '../personality.ts';

export const acr: Personality = {
  name: 'ACR',
  sources: ['Azure/acr#217', 'Azure/acr#466', 'https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md'],
  assumed: ['a repository that the token does not cover gets 401 with insufficient_scope'],
  access: {
    kind: 'bearer',
    account: true,
    identityToken: 'refresh-token-of-az-acr-login',
    realm: '/oauth2/token',
    service: 'example.azurecr.io',
    basic: { realm: 'https://example.azurecr.io', order: 'after' },
    lifetime: 4500,
    tellsLifetime: false,
    field: 'access_token',
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'api',
};

export const mcr: Personality = {
  name: 'MCR',
  sources: [
    'microsoft/containerregistry#45',
    'microsoft/containerregistry#196',
    'https://github.com/microsoft/containerregistry/blob/main/docs/client-firewall-rules.md',
  ],
  assumed: ['tags come in one list', 'one answer is cut, and the next is whole'],
  access: { kind: 'open' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false, cutOnce: 65_536 },
  referrers: 'tag',
};
