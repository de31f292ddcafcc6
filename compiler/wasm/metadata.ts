/** The custom section that tells a host what a module is. */

import type { ModelMetadata } from "../../runtime/metadata.js";

/** Payload of the section `kiln`: UTF-8 JSON, its keys in the order given. */
export const encodeMetadata = (metadata: ModelMetadata): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(JSON.stringify(metadata));
