// The image `istioinaction/catalog`: the items of the cool store as JSON, with an Express server's headers.

import { createHash } from 'node:crypto';
import { httpServer, readBody } from './http.ts';
import type { SampleImage } from './image.ts';

interface Item {
  id: number;
  color: string;
  department: string;
  name: string;
  price: string;
  imageUrl?: string;
}

const ITEMS: readonly Item[] = [
  { id: 1, color: 'amber', department: 'Eyewear', name: 'Elinor Glasses', price: '282.00' },
  { id: 2, color: 'cyan', department: 'Clothing', name: 'Atlas Shirt', price: '127.00' },
  { id: 3, color: 'teal', department: 'Clothing', name: 'Small Metal Shoes', price: '232.00' },
  { id: 4, color: 'red', department: 'Watches', name: 'Red Dragon Watch', price: '232.00' },
];

/** `GET /items`, `GET /items/<id>`, `POST /items`. Version 2 of the original (env SHOW_IMAGE) adds an `imageUrl`. */
export const catalog: SampleImage = {
  names: ['istioinaction/catalog'],
  defaultPort: () => 3000,
  samplePath: '/items',
  createServer(context) {
    const showImage = context.env.SHOW_IMAGE !== undefined && context.env.SHOW_IMAGE !== '';
    const items: Item[] = ITEMS.map((item) =>
      showImage ? { ...item, imageUrl: 'http://lorempixel.com/640/480' } : item,
    );
    return httpServer(context, async (request, response, { pathname }) => {
      const [, collection, id, ...rest] = pathname.split('/');
      const known = collection === 'items' && rest.length === 0;
      if (known && request.method === 'POST' && id === undefined) {
        const item = { id: items.length + 1, ...(JSON.parse((await readBody(request)).toString()) as object) } as Item;
        items.push(item);
        return answer(201, item);
      }
      const found = !known ? undefined : id === undefined ? items : items.find((item) => String(item.id) === id);
      return found === undefined ? answer(404, {}) : answer(200, found);

      /** As the original's json-server answers: indented, and with its headers in its order. */
      function answer(status: number, value: unknown): void {
        const body = JSON.stringify(value, null, 2);
        response.writeHead(status, {
          'X-Powered-By': 'Express',
          Vary: 'Origin, Accept-Encoding',
          'Access-Control-Allow-Credentials': 'true',
          'Cache-Control': 'no-cache',
          Pragma: 'no-cache',
          Expires: '-1',
          'X-Content-Type-Options': 'nosniff',
          'Content-Type': 'application/json; charset=utf-8',
          'Content-Length': Buffer.byteLength(body),
          ETag: weakETag(body),
        });
        response.end(body);
      }
    });
  },
};

/** Express' default ETag: length in hexadecimal and a SHA-1 in base64 without padding. */
function weakETag(body: string): string {
  const hash = createHash('sha1').update(body).digest('base64').slice(0, 27);
  return `W/"${Buffer.byteLength(body).toString(16)}-${hash}"`;
}
