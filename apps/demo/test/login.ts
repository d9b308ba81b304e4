import type { buildApp } from '@larder/demo'

/** Logs in as a demo user; the header to send along. */
export async function login(
  { inject }: Pick<Awaited<ReturnType<typeof buildApp>>['app'], 'inject'>,
  user = 1,
): Promise<{ cookie: string }> {
  const payload = { email: `user${user}@example.com`, password: 'larder' }
  const { cookies, body } = await inject({ method: 'POST', url: '/session', payload })
  const [cookie] = cookies
  if (!cookie) throw new Error(body)
  return { cookie: `${cookie.name}=${cookie.value}` }
}
