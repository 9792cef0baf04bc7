/** Everything, however long it takes: `MAKEGOOD_THOROUGH=1`. By default tests sample. */
export const isThorough = process.env["MAKEGOOD_THOROUGH"] === "1";
