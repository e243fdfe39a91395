import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { usualPart } from '../../../src/stores/upload-parts.ts';
import { objectStoreContract } from '../../contract/object-store.ts';
import { startFakeS3 } from '../../support/fake-s3.ts';
import { fakeS3Access, openTestStore, s3Config } from '../../support/stores.ts';

for (const pathStyle of [true, false]) {
  objectStoreContract(
    pathStyle ? 'S3' : 'S3 with the bucket in the host name',
    async (t) => {
      const fake = await startFakeS3();
      t.after(fake.close);
      const { env, place } = fakeS3Access(fake);
      const endpoint = pathStyle ? place.endpoint : place.endpoint.replace('127.0.0.1', 's3.test');
      const config = s3Config({ ...place, endpoint, pathStyle, prefix: 'pre/fix/' });
      const store = openTestStore(t, config, { env, isAllHere: true });
      return {
        store,
        async fetchUrl(url) {
          const { host, port, pathname, search } = new URL(url);
          const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
          get({ host: '127.0.0.1', port, path: `${pathname}${search}`, headers: { host } }, resolve).on(
            'error',
            reject,
          );
          const answer = await promise;
          const body = await buffer(answer);
          return answer.statusCode === 200 ? body : undefined;
        },
        abandonUpload: (key) => fake.abandonUpload(`pre/fix/${key}`),
      };
    },
    { partSize: usualPart },
  );
}
