package weixin

// OpenIDOf is the openid of a user by any name.
var OpenIDOf = openidOf
