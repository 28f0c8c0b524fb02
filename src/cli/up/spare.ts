// Data plane processes, the first of them started ahead: it loads its code while the supervisor still loads its own.

import { type DataPlane, startDataPlane } from './data-plane.ts';

/** Where data planes come from. */
export interface DataPlaneSupply {
  /** One with nothing to serve yet: the first has started already. */
  next(): DataPlane;
  /** Ends the first, should nobody have wanted it. */
  close(): Promise<void>;
}

/** @param program the module to run: data-plane-process, or envoy-process */
export function supplyDataPlanes(program: string): DataPlaneSupply {
  let spare: DataPlane | undefined = startDataPlane(program);
  return {
    next() {
      const dataPlane = spare ?? startDataPlane(program);
      spare = undefined;
      return dataPlane;
    },
    async close() {
      await spare?.stop(0);
    },
  };
}
