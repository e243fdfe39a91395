import type { Personality } from '../personality.ts';

export const nexus: Personality = {
  name: 'Nexus, proxy repository',
  sources: [
    'sonatype/nexus-public#1011',
    'sonatype/nexus-public#117',
    'sonatype/nexus-public#209',
    'https://help.sonatype.com/en/docker-registry.html',
  ],
  assumed: [
    'a password that is no longer valid gets 401 with the challenge',
    'HEAD of a blob that is not cached is 404',
  ],
  access: {
    kind: 'basic',
    realm: 'Sonatype Nexus Repository Manager',
    ended: {
      status: 401,
      code: 'UNAUTHORIZED',
      message: 'access to the requested resource is not authorized',
    },
  },
  forbidden: { status: 403, code: 'DENIED', message: 'access to the requested resource is denied' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { uncachedHead: { status: 404, code: 'BLOB_UNKNOWN' } },
  tags: { page: 10, link: 'otherPath' },
  referrers: 'tag',
};

export const nexusBehindProxy: Personality = {
  ...nexus,
  name: 'Nexus behind a reverse proxy',
  sources: ['sonatype/nexus-public#1011', 'https://help.sonatype.com/en/docker-registry.html'],
  assumed: ['the proxy does not pass its port on, so that the Link names the host without it'],
  tags: { page: 10, link: 'withoutPort' },
};
