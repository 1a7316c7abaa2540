<?php
// index.php: as much of Laravel as the snippet needs. /index.php/api/… are the routes of routes/api.php.
namespace Illuminate\Http {
    class Request
    {
        public function header($name)
        {
            return \sent($name);
        }

        public function input($path)
        {
            $value = json_decode(file_get_contents('php://input'), true);
            foreach (explode('.', $path) as $name) {
                $value = isset($value[$name]) ? $value[$name] : null;
            }
            return $value;
        }
    }
}

namespace Illuminate\Support\Facades {
    class DB
    {
        public static function table($name)
        {
            return new \Query($name);
        }

        public static function transaction($do)
        {
            return \transaction($do);
        }
    }

    class Route
    {
        public static $all = [];

        public static function get($path, $do)
        {
            return self::$all[] = new Route('GET', $path, $do);
        }

        public static function post($path, $do)
        {
            return self::$all[] = new Route('POST', $path, $do);
        }

        public $method;
        public $pattern;
        public $do;

        public function __construct($method, $path, $do)
        {
            $this->method = $method;
            $this->pattern = '~^/api/' . preg_replace('~\{\w+\}~', '([^/]+)', $path) . '$~';
            $this->do = $do;
        }

        public function withoutMiddleware($name)
        {
            return $this;
        }
    }
}

namespace {
    require __DIR__ . '/query.php';

    use Illuminate\Http\Request;
    use Illuminate\Support\Facades\Route;

    class Responses
    {
        public function json($value)
        {
            return Answer::json($value);
        }
    }

    function response()
    {
        return new Responses();
    }

    function base_path($file)
    {
        return __DIR__ . '/' . $file;
    }

    function abort($status)
    {
        throw new Answer('', $status);
    }

    function abort_unless($holds, $status)
    {
        if (!$holds) {
            abort($status);
        }
    }

    require __DIR__ . '/snippet.php';
    answer(function () {
        foreach (Route::$all as $route) {
            if ($route->method === $_SERVER['REQUEST_METHOD'] && preg_match($route->pattern, $_SERVER['PATH_INFO'], $m)) {
                return $route->method === 'GET' ? call_user_func($route->do, $m[1]) : call_user_func($route->do, new Request());
            }
        }
        return new Answer('no such page', 404);
    });
}
