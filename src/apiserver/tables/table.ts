// Objects as a Table (meta.k8s.io/v1): what `kubectl get` prints.

import type { PrinterColumn } from '../../resources/kinds/kind.ts';
import type { ResourceObject } from '../../resources/object.ts';
import type { ApiResource } from '../api-resource.ts';
import { badRequest } from '../status.ts';
import { ageOf } from './duration.ts';
import { findAll, type JsonPath, parseJsonPath } from './json-path.ts';
import { NAME, type Printer, type TableColumn } from './printer.ts';
import {
  configMapPrinter,
  customResourceDefinitionPrinter,
  eventPrinter,
  leasePrinter,
  namespacePrinter,
  nodePrinter,
  plainPrinter,
  secretPrinter,
  serviceAccountPrinter,
} from './printers/cluster.ts';
import {
  endpointSlicePrinter,
  endpointsPrinter,
  ingressClassPrinter,
  ingressPrinter,
  servicePrinter,
} from './printers/network.ts';
import { deploymentPrinter, podPrinter, replicaSetPrinter } from './printers/workloads.ts';

/** How much of an object comes with its row: `includeObject` of the query. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** @throws ApiError 400 */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '') return 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(asked)}`);
}

/** A row of a Table. */
export interface TableRow {
  cells: unknown[];
  object?: object;
}

/** A Table. */
export interface Table {
  kind: 'Table';
  apiVersion: 'meta.k8s.io/v1';
  metadata: object;
  columnDefinitions: readonly TableColumn[];
  rows: TableRow[];
}

/** By kind id. A printer reads the type of its own kind. */
const PRINTERS: Readonly<Record<string, unknown>> = {
  Pod: podPrinter,
  Service: servicePrinter,
  Endpoints: endpointsPrinter,
  Namespace: namespacePrinter,
  Node: nodePrinter,
  Secret: secretPrinter,
  ConfigMap: configMapPrinter,
  ServiceAccount: serviceAccountPrinter,
  Event: eventPrinter,
  'Deployment.apps': deploymentPrinter,
  'ReplicaSet.apps': replicaSetPrinter,
  'EndpointSlice.discovery.k8s.io': endpointSlicePrinter,
  'Ingress.networking.k8s.io': ingressPrinter,
  'IngressClass.networking.k8s.io': ingressClassPrinter,
  'Lease.coordination.k8s.io': leasePrinter,
  'CustomResourceDefinition.apiextensions.k8s.io': customResourceDefinitionPrinter,
};

/** How objects of a resource are shown. */
export function printerOf(resource: ApiResource): Printer {
  const own = PRINTERS[resource.kindId] as Printer | undefined;
  if (own !== undefined && resource.storedForm !== undefined)
    return { columns: own.columns, cells: (object, now) => own.cells(resource.toStored(object), now) };
  if (own !== undefined) return own;
  const columns = resource.printerColumns ?? [];
  return columns.length === 0 ? plainPrinter : columnsPrinter(columns); // a definition that names no columns has Age
}

const printers = new WeakMap<readonly PrinterColumn[], Printer>();

/** The printer of additionalPrinterColumns: Name, then those. */
function columnsPrinter(declared: readonly PrinterColumn[]): Printer {
  let printer = printers.get(declared);
  if (printer === undefined) {
    const paths = declared.map(({ jsonPath }) => parseJsonPath(jsonPath));
    printer = {
      columns: [
        NAME,
        ...declared.map(({ name, type, format = '', description = '', priority = 0 }) => ({
          name,
          type,
          format,
          description,
          priority,
        })),
      ],
      cells: (object, now) => [
        object.metadata.name,
        ...declared.map(({ type }, index) => cellOf(object, type, paths[index], now)),
      ],
    };
    printers.set(declared, printer);
  }
  return printer;
}

/** A cell by JSONPath. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns */
function cellOf(object: ResourceObject, type: string, path: JsonPath | undefined, now: Date): unknown {
  if (path === undefined) return null;
  const found = findAll(object, path);
  const [first] = found;
  if (first === undefined) return null;
  switch (type) {
    case 'integer':
    case 'number':
      return typeof first === 'number' ? first : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    case 'date':
      return ageOf(String(first), now);
    default:
      return found.map((value) => (typeof value === 'object' ? JSON.stringify(value) : String(value))).join(' ');
  }
}

/** The row of one object. */
export function rowOf(object: ResourceObject, printer: Printer, include: IncludeObject, now: Date): TableRow {
  const cells = printer.cells(object, now);
  if (include === 'None') return { cells };
  return { cells, object: include === 'Object' ? object : partialMetadata(object) };
}

/** A Table of rows. */
export function tableOf(columns: readonly TableColumn[], metadata: object, rows: TableRow[]): Table {
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: columns, rows };
}

/** An object's metadata alone, as an object of its own. */
export function partialMetadata({ metadata }: ResourceObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}
