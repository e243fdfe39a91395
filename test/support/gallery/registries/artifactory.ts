import type { Personality } from '../personality.ts';

export const artifactory: Personality = {
  name: 'Artifactory, remote repository',
  sources: [
    'google/go-containerregistry#1691',
    'renovatebot/renovate#15030',
    'oras-project/oras#2047',
    'https://jfrog.com/help/r/jfrog-artifactory-documentation/docker-registry',
  ],
  assumed: [
    'the Link names the host that Artifactory knows itself by',
    'missing tags of a remote repository are 404',
  ],
  access: {
    kind: 'bearer',
    account: true,
    realm: '/artifactory/api/docker/docker-remote/v2/token',
    service: 'artifactory.example',
    basic: { realm: 'Artifactory Realm', order: 'before' },
    lifetime: 3600,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication is required' },
  },
  forbidden: { status: 403, code: 'DENIED', message: 'The client does not have permission for manifest' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  tags: { page: 10, link: 'otherHost' },
  referrers: 'api',
};
