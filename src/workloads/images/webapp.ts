// The image `istioinaction/webapp`: the cool store's web page and API, which gets its items from catalog.

import { callService, escapeHtml, httpServer, send, sendHtml, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

/** `/` is a page, `/api/catalog[/<id>]` the items. The catalog's address: CATALOG_SERVICE_HOST and CATALOG_SERVICE_PORT. */
export const webapp: SampleImage = {
  names: ['istioinaction/webapp'],
  defaultPort: () => 8080,
  samplePath: '/api/catalog',
  createServer(context) {
    const { CATALOG_SERVICE_HOST: host = 'catalog', CATALOG_SERVICE_PORT: port = '80' } = context.env;
    return httpServer(context, async (request, response, { pathname }) => {
      const api = /^\/api\/catalog(?:\/(?:items\/)?([^/]+))?\/?$/.exec(pathname);
      if (api === null && pathname !== '/') return sendText(response, 404, '404 page not found\n');
      const path = api?.[1] === undefined ? '/items' : `/items/${api[1]}`;
      let body: string;
      try {
        const answer = await callService(context, { host, port: Number(port), path }, request);
        if (answer.status === 404) return send(response, 404, 'application/json; charset=utf-8', answer.body);
        if (answer.status !== 200) throw new Error(`it answered ${answer.status}: ${answer.body.trim()}`);
        body = JSON.stringify(JSON.parse(answer.body));
      } catch (error) {
        return sendText(response, 500, `error calling Catalog service: ${(error as Error).message}\n`);
      }
      if (api !== null) return send(response, 200, 'application/json; charset=utf-8', body);
      return sendHtml(response, 200, page(JSON.parse(body) as Record<string, unknown>[], context.podName));
    });
  },
};

function page(items: readonly Record<string, unknown>[], podName: string): string {
  const columns = ['id', 'name', 'color', 'department', 'price'];
  const cells = (tag: string, values: readonly unknown[]) =>
    `<tr>${values.map((value) => `<${tag}>${escapeHtml(value ?? '')}</${tag}>`).join('')}</tr>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Coolstore</title></head>
<body>
<h1>Coolstore</h1>
<table>
${cells('th', columns)}
${items
  .map((item) =>
    cells(
      'td',
      columns.map((column) => item[column]),
    ),
  )
  .join('\n')}
</table>
<p>Served by ${escapeHtml(podName)}</p>
</body>
</html>
`;
}
