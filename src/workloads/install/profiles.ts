// The profiles an IstioOperator starts from: which components they have, and the mesh settings that show.
// https://istio.io/latest/docs/setup/additional-setup/config-profiles/

import type { IstioOperatorSpec, Profile } from '../../resources/istio-operator.ts';

const CONTROL_PLANE = { base: { enabled: true }, pilot: { enabled: true } };
const INGRESS = [{ name: 'istio-ingressgateway', enabled: true }];

/** The settings of each profile. */
export const PROFILE_SPECS: Readonly<Record<Profile, IstioOperatorSpec>> = {
  default: { components: { ...CONTROL_PLANE, ingressGateways: INGRESS } },
  demo: {
    meshConfig: { accessLogFile: '/dev/stdout' },
    components: {
      ...CONTROL_PLANE,
      ingressGateways: INGRESS,
      egressGateways: [{ name: 'istio-egressgateway', enabled: true }],
    },
  },
  minimal: { components: CONTROL_PLANE },
  empty: {},
};
