import { z } from 'zod'

import { displayName, email, handle, memberId, moment, password, sessionId } from './fields.ts'
import { importOf, importReply } from './imports.ts'
import { route } from './route.ts'

export const member = z.object({
  id: memberId,
  handle,
  name: displayName,
  createdAt: moment,
})

const session = z.object({ id: sessionId, member: memberId, expiresAt: moment })

export const users = {
  register: route({
    id: 'register',
    method: 'post',
    path: '/v1/users',
    summary: 'Become a member',
    access: 'public',
    idempotent: true,
    body: z.object({ handle, email, password, name: displayName }),
    status: 201,
    reply: member,
  }),
  getMember: route({
    id: 'getMember',
    method: 'get',
    path: '/v1/users/{member}',
    summary: 'Read a member',
    access: 'public',
    params: z.object({ member: memberId }),
    status: 200,
    reply: member,
  }),
  findMember: route({
    id: 'findMember',
    method: 'get',
    path: '/v1/handles/{handle}',
    summary: 'Find a member by handle',
    access: 'public',
    params: z.object({ handle }),
    status: 200,
    reply: member,
  }),
  logIn: route({
    id: 'logIn',
    method: 'post',
    path: '/v1/sessions',
    summary: 'Log in',
    access: 'public',
    body: z.object({ login: z.string().min(2).max(254), password: z.string().min(1).max(128) }),
    status: 201,
    reply: session.extend({ token: z.string() }),
  }),
  currentSession: route({
    id: 'currentSession',
    method: 'get',
    path: '/v1/sessions/current',
    summary: 'Read the session of the token',
    access: 'member',
    status: 200,
    reply: session,
  }),
  logOut: route({
    id: 'logOut',
    method: 'delete',
    path: '/v1/sessions/current',
    summary: 'Log out: the token is void from now on',
    access: 'member',
    status: 204,
  }),
  requestReset: route({
    id: 'requestReset',
    method: 'post',
    path: '/v1/password-resets',
    summary:
      'Ask for a password reset; an importer is given the token, for everybody else it goes by mail',
    access: 'public',
    body: z.object({ email }),
    status: 202,
    reply: z.object({ token: z.string().optional() }),
  }),
  reset: route({
    id: 'reset',
    method: 'put',
    path: '/v1/password-resets/{token}',
    summary: 'Set a new password; every session of the member ends',
    access: 'public',
    params: z.object({ token: z.string().max(200) }),
    body: z.object({ password }),
    status: 204,
  }),
  importMembers: route({
    id: 'importMembers',
    method: 'post',
    path: '/v1/imports/members',
    summary: 'Create members without a password, which they set by a reset',
    access: 'importer',
    body: importOf({ handle, email, name: displayName }),
    bodyBytesMax: 1_048_576,
    status: 200,
    reply: importReply,
  }),
  mendMemberClaim: route({
    id: 'mendMemberClaim',
    method: 'post',
    path: '/internal/members/claims',
    summary: 'Make the entry by which a member is found say what the row of the member says',
    access: 'service',
    body: z.object({
      kind: z.enum(['handle', 'email']),
      member: memberId,
      /** Of the entry; that of the row when absent. */
      text: z.string().min(1).max(254).optional(),
    }),
    status: 204,
  }),
} as const
