/**
 * A payment service provider on localhost: authorise, capture, void, refund, 3-D Secure, chargebacks, signed callbacks
 * and a statement of the day, with test tokens for what goes wrong.
 */
export { createPsp } from './create.ts'
