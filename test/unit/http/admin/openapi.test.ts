/** src/http/admin/openapi.json against the routes that there are, in both directions, and against the rules of OpenAPI 3.1. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type AdminApiDeps, createAdminApi } from '../../../../src/http/admin/admin-api.ts';
import { systemClock } from '../../../../src/lib/clock.ts';

const document = JSON.parse(
  readFileSync(new URL('../../../../src/http/admin/openapi.json', import.meta.url), 'utf8'),
);

test('every route is in the document, and every path of the document is a route', () => {
  const deps = { status: {}, administration: {}, config: {}, clock: systemClock };
  const { routes } = createAdminApi(deps as AdminApiDeps);
  const served = routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  const described = Object.entries<object>(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.ok(described.length > 40);
  assert.deepEqual([...new Set(served)].toSorted(), described.toSorted());
});

test('the document is OpenAPI 3.1, and each operation has a name of its own', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors));
  const ids = Object.values<Record<string, { operationId: string }>>(document.paths).flatMap((operations) =>
    Object.values(operations).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
});
